import { h } from "../ui/dom.js";

/**
 * The little Markdown that summaries and docstrings use: paragraphs, lists, `code`.
 *
 * @param {string} text
 * @returns {HTMLElement[]}
 */
export function markdown(text) {
  return text
    .trim()
    .split(/\n\s*\n/)
    .filter(Boolean)
    .map((block) => {
      const lines = block.split("\n").map((line) => line.trim());
      if (!lines.every((line) => line.startsWith("- "))) return h("p", {}, ...inline(lines.join(" ")));
      return h("ul", { class: "bullets" }, ...lines.map((line) => h("li", {}, ...inline(line.slice(2)))));
    });
}

/**
 * @param {string} text one line, with `code` in it
 * @returns {(Node | string)[]}
 */
export function inline(text) {
  return text.split(/`+([^`]+)`+/).map((part, index) => (index % 2 ? h("code", {}, part) : part));
}
