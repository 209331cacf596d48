import { errorCode } from "../lib/index.js";
import { find, h, reconcile, setAttribute, setText } from "./dom.js";
import { ReactionRain } from "./reaction_rain.js";
import { texts } from "./texts.js";

/** @typedef {import("../lib/index.js").Room} Room */

/** @type {Record<string, string>} the server's usual ones */
const GLYPHS = { heart: "❤️", fire: "🔥", clap: "👏", laugh: "😂", wow: "😮", sad: "😢" };
/** For a type that an operator has invented. */
const OTHER_GLYPH = "✨";
const COMPACT = new Intl.NumberFormat(navigator.language, { notation: "compact", maximumFractionDigits: 1 });

/** A button for each reaction, with its total; what everybody sends floats over the stage. */
export class Reactions {
  #bar = h("div", { class: "reactions", role: "group", "aria-label": texts.reactions.label, dataset: { testid: "reactions" } });
  /** Where there is no room for the bar it opens above this. */
  #toggle = h("button", {
    type: "button", class: "reactions-toggle", "aria-label": texts.reactions.open, title: texts.reactions.open, "aria-expanded": "false",
    dataset: { testid: "reactions-toggle" }, onClick: () => this.#setOpen(!this.#open),
  }, h("span", { class: "reaction-glyph", "aria-hidden": "true" }, GLYPHS.heart));
  element = h("div", { class: "reactions-box", onKeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) }, this.#toggle, this.#bar);
  rain = new ReactionRain();
  #room;
  #attempt;
  /** What this server knows; corrected by its first refusal. */
  #types = Object.keys(GLYPHS);
  /** @type {Map<string, number>} own taps of which the totals do not know yet */
  #ahead = new Map();
  #open = false;
  #pressed = (/** @type {Event} */ event) => {
    if (!this.element.contains(/** @type {Node} */ (event.target))) this.#setOpen(false);
  };

  /**
   * @param {Room} room
   * @param {(promise: Promise<unknown>) => void} attempt shows the error if it fails
   */
  constructor(room, attempt) {
    this.#room = room;
    this.#attempt = attempt;
    room.addEventListener("reactions", (event) => this.#told(/** @type {CustomEvent} */ (event).detail));
  }

  dispose() {
    this.#setOpen(false);
    this.rain.dispose();
  }

  render() {
    const types = [...new Set([...this.#types, ...Object.keys(this.#room.state.reactions)])];
    reconcile(this.#bar, types, (type) => type, (type) => this.#create(type), (button, type) => this.#update(button, type));
  }

  /** @param {boolean} open */
  #setOpen(open) {
    this.#open = open;
    this.element.classList.toggle("open", open);
    setAttribute(this.#toggle, "aria-expanded", String(open));
    if (open) document.addEventListener("pointerdown", this.#pressed);
    else document.removeEventListener("pointerdown", this.#pressed);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== "Escape" || !this.#open) return;
    this.#setOpen(false);
    this.#toggle.focus();
  }

  /** @param {string} type */
  #create(type) {
    return h("button", { type: "button", class: "reaction", dataset: { testid: `react-${type}`, type }, onClick: () => this.#react(type) },
      h("span", { class: "reaction-glyph", "aria-hidden": "true" }, glyphOf(type)), h("span", { class: "reaction-count", "aria-hidden": "true" }));
  }

  /**
   * @param {HTMLElement} button
   * @param {string} type
   */
  #update(button, type) {
    const total = (this.#room.state.reactions[type] ?? 0) + (this.#ahead.get(type) ?? 0);
    const label = texts.reactions.react(texts.reactions.names[type] ?? type, total);
    setAttribute(button, "aria-label", label);
    setAttribute(button, "title", texts.reactions.names[type] ?? type);
    setText(find(button, ".reaction-count"), total ? COMPACT.format(total) : "");
  }

  /** @param {string} type */
  #react(type) {
    this.rain.burst(glyphOf(type), 1);
    this.#ahead.set(type, (this.#ahead.get(type) ?? 0) + 1);
    this.render();
    const done = this.#room.react(type);
    this.#attempt(done);
    done.catch((error) => {
      this.#ahead.delete(type);
      if (errorCode(error) === "unknown_reaction" && Array.isArray(error.details?.types)) this.#types = error.details.types;
      this.render();
    });
  }

  /** @param {{counts: import("../lib/types.js").Counts, others: import("../lib/types.js").Counts}} told */
  #told({ counts, others }) {
    for (const [type, count] of Object.entries(others)) this.rain.burst(glyphOf(type), count);
    for (const [type, count] of Object.entries(counts)) {
      const own = count - (others[type] ?? 0);
      this.#ahead.set(type, Math.max(0, (this.#ahead.get(type) ?? 0) - own));
    }
    this.render();
  }
}

/** @param {string} type of a reaction */
export function glyphOf(type) {
  return Object.hasOwn(GLYPHS, type) ? GLYPHS[type] : OTHER_GLYPH;
}
