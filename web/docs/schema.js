import { h } from "../ui/dom.js";
import { inline, markdown } from "./markdown.js";

/**
 * @typedef {Record<string, any>} Schema a JSON Schema (2020-12), as OpenAPI 3.1 has it
 * @typedef {Record<string, Schema>} Schemas by name
 */

const PREFIX = "#/components/schemas/";
/** @type {Record<string, unknown>} of types that are no numbers */
const SIMPLEST = { string: "…", boolean: true, array: [], object: {} };

/**
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @returns {Schema} the schema itself, or what it refers to
 */
export function resolved(schema, schemas) {
  return schema.$ref ? schemas[schema.$ref.slice(PREFIX.length)] : schema;
}

/**
 * What a value may be, in a few words. Named schemas are links.
 *
 * @param {Schema} schema
 * @returns {(Node | string)[]}
 */
export function typeWords(schema) {
  if (schema.$ref) {
    const name = schema.$ref.slice(PREFIX.length);
    return [h("a", { href: `#schema-${name}` }, name)];
  }
  if ("const" in schema) return ["always ", value(schema.const)];
  if (schema.enum) return ["one of ", ...joined(schema.enum.map((/** @type {unknown} */ each) => [value(each)]), ", ")];
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return joined(choices.map(typeWords), " or ");
  if (schema.type === "array") return ["list of ", ...typeWords(schema.items ?? {})];
  if (schema.type === "object" && typeof schema.additionalProperties === "object")
    return ["object whose values are ", ...typeWords(schema.additionalProperties)];
  return [[schema.type ?? "anything", schema.format && `(${schema.format})`, ...limits(schema)].filter(Boolean).join(" ")];
}

/**
 * @param {Schema} schema
 * @returns {string[]}
 */
function limits(schema) {
  const { minimum, maximum, minLength, maxLength } = schema;
  const found = [];
  if (minimum !== undefined && maximum !== undefined) found.push(`${minimum} to ${maximum}`);
  else if (minimum !== undefined) found.push(`at least ${minimum}`);
  else if (maximum !== undefined) found.push(`at most ${maximum}`);
  if (minLength && maxLength) found.push(`of ${minLength} to ${maxLength} characters`);
  else if (maxLength) found.push(`of at most ${maxLength} characters`);
  return found;
}

/** @param {unknown} content */
function value(content) {
  return h("code", {}, JSON.stringify(content));
}

/**
 * @param {(Node | string)[][]} parts
 * @param {string} separator
 */
function joined(parts, separator) {
  return parts.flatMap((part, index) => (index ? [separator, ...part] : part));
}

/**
 * The members of an object; for anything else what it is, in words.
 *
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @param {boolean} incoming whether a client sends it: then it matters what may be left out
 */
export function schemaView(schema, schemas, incoming) {
  const whole = resolved(schema, schemas);
  if (!whole.properties) return h("p", {}, ...typeWords(whole));
  const required = new Set(whole.required ?? []);
  // What has to be sent comes first.
  const members = Object.entries(whole.properties).sort(([one], [other]) => Number(required.has(other)) - Number(required.has(one)));
  return memberTable(members.map(([name, member]) => memberRow(name, member, incoming && required.has(name), incoming)));
}

/** @param {HTMLElement[]} rows */
export function memberTable(rows) {
  return h("div", { class: "scroll" }, h("table", { class: "members" }, h("tbody", {}, ...rows)));
}

/**
 * @param {string} name
 * @param {Schema} member
 * @param {boolean} required
 * @param {boolean} incoming
 */
export function memberRow(name, member, required, incoming) {
  const words = typeWords(member);
  if (incoming && member.default !== undefined) words.push(", default ", value(member.default));
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, name), required && h("span", { class: "required" }, "required")),
    h("td", {}, h("span", { class: "type" }, ...words), member.description && h("div", {}, ...inline(member.description))),
  );
}

/**
 * A value that fits: its example, its default, or the simplest one. Members that may be left out are.
 *
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @returns {any}
 */
export function exampleOf(schema, schemas) {
  if (schema.examples) return schema.examples[0];
  if ("const" in schema) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.$ref) return exampleOf(resolved(schema, schemas), schemas);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return exampleOf(choices[0], schemas);
  if (schema.properties)
    return Object.fromEntries((schema.required ?? []).map((/** @type {string} */ name) => [name, exampleOf(schema.properties[name], schemas)]));
  return SIMPLEST[schema.type] ?? schema.minimum ?? 1;
}

/**
 * @param {string} name
 * @param {Schemas} schemas
 */
export function schemaSection(name, schemas) {
  const schema = schemas[name];
  return h(
    "section",
    { class: "schema entry", id: `schema-${name}` },
    h("h3", {}, name),
    ...markdown(schema.description ?? ""),
    schemaView(schema, schemas, schema.additionalProperties === false),
  );
}
