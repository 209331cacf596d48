/**
 * Elements are made here and nowhere else: text becomes text nodes, so that nothing a user or the server wrote is read as HTML.
 *
 * @typedef {Node | string | null | undefined | false} Child
 */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [props] `class`, `dataset` and `on<Event>` are understood; functions become listeners, other names attributes
 *   (true: present, false and null: absent)
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  element.append(...children.filter(isPresent));
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {any} value
 */
function setProp(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else setAttribute(element, name, value);
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string | number | boolean | null | undefined} value
 */
export function setAttribute(element, name, value) {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : String(value));
}

/**
 * @param {Child} child
 * @returns {child is Node | string}
 */
function isPresent(child) {
  return child !== null && child !== undefined && child !== false;
}

/**
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of `parent` one element per item, keeping the elements of items that stay: focus, video and pressed buttons
 * survive an update.
 *
 * @template Item
 * @param {Element} parent
 * @param {Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => HTMLElement} create
 * @param {(element: HTMLElement, item: Item) => void} update
 */
export function reconcile(parent, items, keyOf, create, update) {
  const old = new Map([...parent.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = /** @type {HTMLElement | undefined} */ (old.get(key));
    old.delete(key);
    if (!element) {
      element = create(item);
      element.dataset.key = key;
    }
    update(element, item);
    // Moving a playing video pauses it in some browsers: only what is out of place is moved.
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of old.values()) gone.remove();
}

/**
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {any} the element, which must exist
 */
export function find(root, selector) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`no element matches ${selector}`);
  return element;
}

/** @type {Record<string, string>} drawn for a 24 x 24 box with a round pen of 1.8 */
const ICONS = {
  mic: "M12 3.5a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0v-5a3 3 0 0 1 3-3ZM6 11.5a6 6 0 0 0 12 0M12 17.5v3",
  mic_off: "M9 9v2.5a3 3 0 0 0 4.6 2.5M15 11V6.500a3 3 0 0 0-5.700-1.300M6 11.500a6 6 0 0 0 9.600 4.800M18 11.500q0 .9-.25 1.700M12 17.500v3M4 4l16 16",
  camera: "M4.500 7h8a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2ZM14.500 11l6-3.200v8.400l-6-3.200",
  camera_off: "M10 7h2.500a2 2 0 0 1 2 2v2.500M14.500 15.500a2 2 0 0 1-2 1.500h-8a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2M14.500 11l6-3.200v8.400l-3-1.600M4 4l16 16",
  screen: "M4 5h16a1.500 1.500 0 0 1 1.500 1.500v9A1.500 1.500 0 0 1 20 17H4a1.500 1.500 0 0 1-1.500-1.500v-9A1.500 1.500 0 0 1 4 5ZM8.500 20.500h7M12 17v3.500M12 14V8.500M9.500 10.700 12 8.200l2.500 2.500",
  speaker: "M4.500 9.500H8l4.500-4v13l-4.500-4H4.500ZM16 9a4.200 4.200 0 0 1 0 6M18.300 6.500a8 8 0 0 1 0 11",
  sliders: "M4.500 8h7M16 8h3.500M13.750 5.750v4.500M4.500 16H8M12.500 16h7M10.250 13.750v4.500",
  people: "M9 11.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7ZM2.500 19.500c0-3.300 2.900-5 6.500-5s6.500 1.700 6.500 5M16 4.800a3.500 3.500 0 0 1 0 6.400M18 14.900c2.100.6 3.500 2.100 3.500 4.600",
  eye: "M2.500 12c2.300-4.300 5.500-6.500 9.500-6.500s7.200 2.200 9.500 6.500c-2.300 4.300-5.500 6.500-9.500 6.500S4.800 16.300 2.500 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  hand: "M7 12.500V6.800a1.500 1.500 0 0 1 3 0V11 4.800a1.500 1.500 0 0 1 3 0V11 5.800a1.500 1.500 0 0 1 3 0V12 8.300a1.500 1.500 0 0 1 3 0v6.200c0 3.600-2.700 6.500-6.300 6.500-2.800 0-4.400-1.100-5.700-3.400L4.200 13.900c-.5-1 .1-1.900.9-2.100.8-.2 1.400.1 1.900.7Z",
  link: "M10 14a4 4 0 0 0 5.700 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3A4 4 0 0 0 11 18.700l1-1",
  leave: "M14 4.500H6.500A1.500 1.500 0 0 0 5 6v12a1.500 1.500 0 0 0 1.500 1.500H14M10.500 12H20M16.500 8.500 20 12l-3.500 3.500",
  stop: "M7.500 6h9A1.500 1.500 0 0 1 18 7.500v9a1.500 1.500 0 0 1-1.500 1.500h-9A1.500 1.500 0 0 1 6 16.500v-9A1.500 1.500 0 0 1 7.500 6Z",
  chevron: "M6 9.500l6 6 6-6",
  down: "M12 4.500v13M6.500 12.500 12 18l5.500-5.500",
  send: "M4.500 5.500 20 12 4.500 18.500l2-6.500-2-6.500ZM6.500 12h6",
  more: "M5.500 12h.01M12 12h.01M18.500 12h.01",
  chat: "M5 5h14a1.500 1.500 0 0 1 1.500 1.500v9A1.500 1.500 0 0 1 19 17h-7.500L7 20.500V17H5a1.500 1.500 0 0 1-1.500-1.500v-9A1.500 1.500 0 0 1 5 5Z",
  chat_off: "M9.500 5H19a1.500 1.500 0 0 1 1.500 1.500v9q0 .6-.4 1M16 17h-4.500L7 20.500V17H5a1.500 1.500 0 0 1-1.500-1.500v-9q0-.7.500-1.100M4 4l16 16",
  gear: "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM10.600 3h2.800l.5 2.400 1.700.7 2.100-1.400 2 2-1.400 2.100.7 1.700 2.400.5v2.800l-2.400.5-.7 1.700 1.400 2.100-2 2-2.100-1.400-1.700.7-.5 2.400h-2.800l-.5-2.400-1.700-.7-2.100 1.400-2-2 1.400-2.100-.7-1.700L2.600 13.400v-2.800l2.400-.5.7-1.700-1.400-2.100 2-2 2.100 1.400 1.700-.7Z",
  gift: "M4.500 9.500h15v3.500h-15ZM6 13v6.500h12V13M12 9.500v10M12 9.500C8.500 9.500 7 8 7.500 6.300 8 4.500 11 4.800 12 9.500ZM12 9.500c3.500 0 5-1.500 4.500-3.200C16 4.500 13 4.800 12 9.500Z",
  globe: "M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17ZM3.500 12h17M12 3.500c2.400 2.300 3.500 5.100 3.500 8.500s-1.100 6.200-3.500 8.500c-2.400-2.300-3.500-5.100-3.500-8.500s1.100-6.200 3.500-8.500Z",
  search: "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13ZM15.500 15.500 20 20",
  info: "M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17ZM12 11.500v5M12 7.800h.01",
  copy: "M10 8.500h8a1.500 1.500 0 0 1 1.500 1.500v8.500A1.500 1.500 0 0 1 18 20h-8a1.500 1.500 0 0 1-1.500-1.500V10A1.500 1.500 0 0 1 10 8.500ZM5.500 15.500A1.500 1.500 0 0 1 4.500 14V5.500A1.500 1.500 0 0 1 6 4h8a1.500 1.500 0 0 1 1.500 1",
  close: "M6.500 6.500l11 11M17.500 6.500l-11 11",
  signal_good: "M6 19v-4M12 19v-9M18 19V5",
  signal_fair: "M6 19v-4M12 19v-9M18 19h.01",
  signal_poor: "M6 19v-4M12 19h.01M18 19h.01",
  pin: "M9 4.500h6M10 4.500v5.500l-2.500 3.500h9L14 10V4.500M12 13.500v6",
  grid: "M5 5h5.500v5.500H5ZM13.500 5H19v5.500h-5.500ZM5 13.500h5.500V19H5ZM13.500 13.500H19V19h-5.500Z",
  full_screen: "M4.500 9V4.500H9M15 4.500h4.500V9M19.500 15v4.500H15M9 19.500H4.500V15",
  float: "M20.500 10V6.500A1.500 1.500 0 0 0 19 5H5a1.500 1.500 0 0 0-1.500 1.500v9A1.500 1.500 0 0 0 5 17h4M13.500 13h7v6h-7Z",
  ban: "M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17ZM6 6l12 12",
  lock: "M7 10.500h10a1.500 1.500 0 0 1 1.500 1.500v6.500A1.500 1.500 0 0 1 17 20H7a1.500 1.500 0 0 1-1.500-1.500V12A1.500 1.500 0 0 1 7 10.500ZM8.500 10.500V8a3.500 3.500 0 0 1 7 0v2.500",
};

/**
 * @param {string} name a key of the table above
 * @param {string} [label] for assistive technology; without one the icon is decoration
 */
export function icon(name, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  setAttribute(svg, "viewBox", "0 0 24 24");
  setAttribute(svg, "class", "icon");
  setAttribute(svg, "aria-hidden", label ? null : "true");
  if (label) {
    setAttribute(svg, "role", "img");
    setAttribute(svg, "aria-label", label);
  }
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  setAttribute(path, "d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Some signs are of several characters: a flag, a family. */
const SIGNS = new Intl.Segmenter();

/** @param {string} name up to two letters to stand for a person, or the one picture where the name has no letters */
export function initials(name) {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const spoken = words.filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const [first = words[0], ...others] = spoken;
  return [first, ...others.slice(-1)].map((word = "?") => [...SIGNS.segment(word)][0].segment.toUpperCase()).join("");
}
