import { h } from "./dom.js";

/** A change of a text that is there is read out; one that comes with its element is not in every browser. */
const SETTLE_MS = 100;

const region = h("div", { class: "visually-hidden", "aria-live": "polite", dataset: { testid: "announcer" } });
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** @type {string[]} */
let waiting = [];

/**
 * Has screen readers say what eyes see happen without words, or in words that change too often to be read out each time.
 *
 * @param {string} text
 */
export function announce(text) {
  // Behind a dialog nothing is read out.
  const place = topDialog() ?? document.body;
  if (region.parentElement !== place) place.append(region);
  waiting.push(text);
  clearTimeout(timer);
  region.textContent = "";
  timer = setTimeout(() => {
    region.textContent = waiting.join(" ");
    waiting = [];
  }, SETTLE_MS);
}

/** What has all to itself at the moment. @returns {HTMLDialogElement | null} */
export function topDialog() {
  return [...document.querySelectorAll("dialog")].findLast((dialog) => dialog.matches(":modal")) ?? null;
}
