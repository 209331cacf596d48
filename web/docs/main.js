import { find, h } from "../ui/dom.js";
import { markdown } from "./markdown.js";
import { anchorOf, methodBadge, operationView, routesOf } from "./operation.js";
import { schemaSection } from "./schema.js";

const main = find(document, "#main");
const contents = find(document, "#contents");
const search = /** @type {HTMLInputElement} */ (find(document, "#search"));

try {
  const response = await fetch("./openapi.json");
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  show(await response.json());
} catch (error) {
  main.replaceChildren(h("p", { class: "problem", role: "alert" }, `The description of the API could not be loaded: ${error}`));
}

/** @param {any} api the OpenAPI document */
function show(api) {
  const routes = routesOf(api);
  const names = Object.keys(api.components.schemas).sort();
  const topics = api.tags.map((/** @type {any} */ tag) => ({
    ...tag,
    routes: routes.filter((route) => route.operation.tags.includes(tag.name)),
  }));
  contents.replaceChildren(
    ...topics.map((/** @type {any} */ topic) => contentsOf(topic.name, topic.routes.map(routeLink))),
    contentsOf("schemas", names.map(schemaLink)),
  );
  main.replaceChildren(
    h("h1", {}, `${api.info.title} API, version ${api.info.version}`),
    ...markdown(api.info.description),
    h("p", { id: "nothing", class: "muted", hidden: true }, "Nothing was found."),
    ...topics.map((/** @type {any} */ topic) =>
      h(
        "section",
        { class: "topic" },
        h("h2", { id: `topic-${topic.name}` }, topic.name),
        ...markdown(topic.description),
        ...topic.routes.map((/** @type {any} */ route) => operationView(route, api)),
      ),
    ),
    h("section", { class: "topic" }, h("h2", { id: "topic-schemas" }, "schemas"), ...names.map((name) => schemaSection(name, api.components.schemas))),
  );
  search.addEventListener("input", filter);
  addEventListener("hashchange", reveal);
  reveal();
  filter();
}

/**
 * @param {string} topic
 * @param {HTMLElement[]} links
 */
function contentsOf(topic, links) {
  return h("div", { class: "contents-topic" }, h("a", { class: "contents-title", href: `#topic-${topic}` }, topic), h("ul", {}, ...links));
}

/** @param {import("./operation.js").Route} route */
function routeLink(route) {
  const anchor = anchorOf(route);
  return h("li", { dataset: { for: anchor } }, h("a", { href: `#${anchor}`, title: route.operation.summary }, methodBadge(route), route.path));
}

/** @param {string} name */
function schemaLink(name) {
  return h("li", { dataset: { for: `schema-${name}` } }, h("a", { href: `#schema-${name}` }, name));
}

/** Opens what the address points to. */
function reveal() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
  target?.scrollIntoView();
}

/** Shows what has all the words that were typed. */
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const entries = /** @type {NodeListOf<HTMLElement>} */ (main.querySelectorAll(".entry"));
  for (const entry of entries) {
    const text = entry.textContent?.toLowerCase() ?? "";
    entry.hidden = !words.every((word) => text.includes(word));
    find(contents, `[data-for="${entry.id}"]`).hidden = entry.hidden;
  }
  for (const group of [...main.querySelectorAll(".topic"), ...contents.children])
    /** @type {HTMLElement} */ (group).hidden = !group.querySelector(".entry:not([hidden]), [data-for]:not([hidden])");
  find(main, "#nothing").hidden = [...entries].some((entry) => !entry.hidden);
}
