import { h, icon } from "./dom.js";
import { openBeside } from "./popover.js";

/** `apart`: a line is between it and the one before. @typedef {{id: string, text: string, label?: string, icon?: string, danger?: boolean, apart?: boolean, act: () => void}} MenuItem */

/**
 * A button that opens a menu. The items are asked for when it opens.
 *
 * @param {string} label of the button
 * @param {() => MenuItem[]} items
 * @returns {HTMLButtonElement}
 */
export function menuButton(label, items) {
  const button = h("button", {
    type: "button", class: "quiet menu-button", "aria-label": label, title: label, "aria-haspopup": "menu", "aria-expanded": "false",
    onClick: () => openMenu(button, items()),
  }, icon("more"));
  return button;
}

/**
 * @param {HTMLButtonElement} button
 * @param {MenuItem[]} items
 */
function openMenu(button, items) {
  const menu = h("div", { class: "menu", role: "menu", popover: "auto", "aria-label": button.title },
    ...items.map((item) => createItem(item, () => menu.hidePopover())));
  menu.addEventListener("keydown", moveFocus);
  openBeside(menu, button);
  /** @type {HTMLElement | null} */ (menu.firstElementChild)?.focus();
}

/**
 * @param {MenuItem} item
 * @param {() => void} close
 */
function createItem({ id, text, label, icon: picture, danger, apart, act }, close) {
  const choose = () => {
    close();
    act();
  };
  return h("button", {
    type: "button", role: "menuitem", tabindex: -1, class: `menu-item ${danger ? "danger-quiet" : ""} ${apart ? "apart" : ""}`, "aria-label": label ?? text,
    dataset: { action: id }, onClick: choose,
  }, picture ? icon(picture) : null, text);
}

/** @param {KeyboardEvent} event */
function moveFocus(event) {
  const menu = /** @type {HTMLElement} */ (event.currentTarget);
  const items = /** @type {HTMLElement[]} */ ([...menu.children]);
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const last = items.length - 1;
  /** @type {Record<string, number>} */
  const targets = { ArrowDown: at >= last ? 0 : at + 1, ArrowUp: at <= 0 ? last : at - 1, Home: 0, End: last };
  if (!(event.key in targets)) return;
  event.preventDefault();
  items[targets[event.key]].focus();
}
