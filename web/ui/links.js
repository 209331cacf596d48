import { h } from "./dom.js";

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`]+/gi;
/** What ends a sentence rather than an address. */
const TRAILING = /[.,:;!?)\]}…]+$/;

/**
 * Text as nodes, in which addresses of web pages are links. Nothing is read as HTML.
 *
 * @param {string} text
 * @returns {(string | HTMLElement)[]}
 */
export function withLinks(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutTrailing(match[0]);
    if (!URL.canParse(address)) continue;
    nodes.push(text.slice(end, match.index), link(address));
    end = match.index + address.length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}

/** @param {string} address perhaps with the end of a sentence behind it; "(see http://a/b_(c))" keeps the inner pair of brackets */
function withoutTrailing(address) {
  const bare = address.replace(TRAILING, "");
  return bare.includes("(") && address[bare.length] === ")" ? `${bare})` : bare;
}

/** @param {string} address */
function link(address) {
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow ugc" }, address);
}
