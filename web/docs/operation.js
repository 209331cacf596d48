import { h, icon } from "../ui/dom.js";
import { inline, markdown } from "./markdown.js";
import { exampleOf, memberRow, memberTable, schemaView, typeWords } from "./schema.js";

/**
 * @typedef {Record<string, any>} Operation as OpenAPI has it
 * @typedef {{ method: string, path: string, operation: Operation }} Route
 */

/**
 * @param {any} document the OpenAPI document
 * @returns {Route[]}
 */
export function routesOf(document) {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/** @param {Route} route */
export function anchorOf(route) {
  return `route-${route.operation.operationId}`;
}

/** @param {Route} route */
export function methodBadge(route) {
  return h("span", { class: `method method-${route.method.toLowerCase()}` }, route.method);
}

/**
 * @param {Route} route
 * @param {any} document
 */
export function operationView(route, document) {
  const { method, path, operation } = route;
  const schemas = document.components.schemas;
  return h(
    "details",
    { class: "operation entry", id: anchorOf(route) },
    h(
      "summary",
      {},
      methodBadge(route),
      h("code", { class: "path" }, path),
      h("span", { class: "about" }, operation.summary),
      operation.security.length > 0 && icon("lock", "wants a token"),
    ),
    h(
      "div",
      { class: "operation-body" },
      ...markdown(operation.description ?? ""),
      ...parametersView(operation),
      ...bodyView(operation, schemas),
      h("h3", { class: "part" }, "Try it"),
      copyable(curl(route, document)),
      h("h3", { class: "part" }, "Answers"),
      h("dl", { class: "answers" }, ...Object.entries(operation.responses).flatMap(([status, answer]) => answerView(status, answer, schemas))),
    ),
  );
}

/** @param {Operation} operation */
function parametersView(operation) {
  const rows = (operation.parameters ?? []).map((/** @type {any} */ parameter) => {
    const place = { path: "in the path", query: "in the query", header: "a header" }[/** @type {string} */ (parameter.in)];
    const text = parameter.description ? `${parameter.description} (${place})` : `(${place})`;
    return memberRow(parameter.name, { ...parameter.schema, description: text }, parameter.required, true);
  });
  return rows.length ? [h("h3", { class: "part" }, "Parameters"), memberTable(rows)] : [];
}

/**
 * @param {Operation} operation
 * @param {import("./schema.js").Schemas} schemas
 */
function bodyView(operation, schemas) {
  const content = operation.requestBody?.content["application/json"];
  return content ? [h("h3", { class: "part" }, "Body"), schemaView(content.schema, schemas, true)] : [];
}

/**
 * @param {string} status
 * @param {any} answer
 * @param {import("./schema.js").Schemas} schemas
 */
function answerView(status, answer, schemas) {
  const failed = Number(status) >= 400;
  const [type, content] = Object.entries(answer.content ?? {})[0] ?? [];
  const headers = Object.entries(answer.headers ?? {}).map(([name, header]) =>
    h("li", {}, "header ", h("code", {}, name), ": ", ...inline(header.description ?? "")),
  );
  return [
    h("dt", { class: failed ? "status failed" : "status" }, status),
    h(
      "dd",
      {},
      ...markdown(answer.description),
      content && !failed && h("p", {}, type, ": ", ...typeWords(content.schema)),
      content && !failed && schemaView(content.schema, schemas, false),
      headers.length > 0 && h("ul", { class: "bullets" }, ...headers),
    ),
  ];
}

/**
 * @param {Route} route
 * @param {any} document
 */
export function curl({ method, path, operation }, document) {
  const filled = path.replace(/{(\w+)}/g, (_, name) => `$${name === "id" ? "session_id" : name}`.toUpperCase());
  const base = new URL(document.servers[0].url, location.href).href.replace(/\/$/, "");
  const lines = [`curl${method === "GET" ? "" : ` -X ${method}`} "${base}${filled}"`];
  if (operation.security.length > 0) lines.push('-H "Authorization: Bearer $TOKEN"');
  const body = operation.requestBody?.content["application/json"];
  if (body) {
    const example = JSON.stringify(exampleOf(body.schema, document.components.schemas));
    lines.push("-H 'Content-Type: application/json'", `-d '${example.replaceAll("'", "'\\''")}'`);
  }
  return lines.join(" \\\n  ");
}

/** @param {string} text */
function copyable(text) {
  const code = h("code", {}, text);
  const button = h("button", { class: "small", type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Only secure pages may write to the clipboard; the text is marked, so that the keyboard can copy it.
      getSelection()?.selectAllChildren(code);
      button.textContent = "Press Ctrl+C";
    }
  });
  return h("div", { class: "copyable" }, h("pre", {}, code), button);
}
