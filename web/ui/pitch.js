import { h, icon } from "./dom.js";
import { inColourOf } from "./face.js";
import { texts } from "./texts.js";

/** What the colours of the people on the sketched stage come from. */
const PEOPLE = ["host", "gu", "i", "mate", "yuki"];
const ICONS = ["eye", "hand", "camera"];
const GLYPHS = ["❤️", "👏", "🔥"];

/** What there is behind the door: a stage, sketched, and what one does there in words. */
export function pitch() {
  return h("div", { class: "pitch" },
    h("div", { class: "sketch", "aria-hidden": "true" },
      ...PEOPLE.map((person) => inColourOf(person, h("span", { class: "sketch-tile" }))),
      ...GLYPHS.map((glyph) => h("span", { class: "sketch-glyph" }, glyph))),
    h("ul", { class: "points" }, ...texts.signIn.points.map((text, index) => h("li", {}, icon(ICONS[index]), text))));
}
