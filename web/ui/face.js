import { h, initials } from "./dom.js";

/** @param {string} name of the person that it stands for */
export function face(name) {
  return h("span", { class: "face", "aria-hidden": "true" }, initials(name));
}
