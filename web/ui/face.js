import { h, initials } from "./dom.js";

/** Between the hues of two people, in degrees: neighbours differ, and many have different ones. */
const HUE_STEP = 137.5;

/**
 * @param {string} name of the person that it stands for
 * @param {string} userId
 */
export function face(name, userId) {
  return inColourOf(userId, h("span", { class: "face", "aria-hidden": "true" }, initials(name)));
}

/**
 * The same person has the same colour everywhere.
 *
 * @template {HTMLElement} Element
 * @param {string} userId
 * @param {Element} element whose style may use it, as `--hue`
 */
export function inColourOf(userId, element) {
  element.style.setProperty("--hue", String(hueOf(userId)));
  return element;
}

/** @param {string} userId */
function hueOf(userId) {
  let sum = 0;
  for (const character of userId) sum = (sum * 31 + character.charCodeAt(0)) % 65_521;
  return Math.round((sum * HUE_STEP) % 360);
}
