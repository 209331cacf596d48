/** What has a name that a screen reader says when the focus comes to it, and is no thing to press by mistake. */
const HOME = "[role=dialog], dialog, [role=tabpanel], [role=group], section, article, aside, main";

/** @type {Element[]} where the focus is or was last: the element, and what it stands in, from the inside */
let path = [];

/**
 * The focus is never lost. When what has it goes away (a request was answered, a view changes), the nearest named part of the page around
 * it has it, from which the Tab key goes on: not a button beside it, which the next press would hit by mistake. What is only disabled for
 * a while has it back afterwards.
 */
export function keepFocus() {
  document.addEventListener("focusin", ({ target }) => (path = pathOf(/** @type {Element} */ (target))));
  document.addEventListener("focusout", ({ target, relatedTarget }) => {
    // It is on its way to another place already: a dialog that Escape closed gives it back to what had it before.
    if (relatedTarget) return;
    queueMicrotask(() => {
      if (target !== path[0] || !isNowhere()) return;
      // Somebody clicked beside everything: that is no loss. What goes away is usable no more when this runs.
      if (isUsable(path[0])) path = [];
      else restore();
    });
  });
  const changes = new MutationObserver(restore);
  changes.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden", "disabled"] });
}

function restore() {
  if (path.length === 0 || !isNowhere()) return;
  const [last, ...around] = path;
  if (isThere(last)) {
    if (isUsable(last)) focus(last);
    return;
  }
  const home = around.find((element) => isThere(element) && element.matches(HOME)) ?? document.querySelector("main");
  if (!home) return;
  if (!home.hasAttribute("tabindex")) home.setAttribute("tabindex", "-1");
  focus(home);
}

/** @param {Element} element */
function focus(element) {
  /** @type {HTMLElement} */ (element).focus({ preventScroll: true });
}

function isNowhere() {
  return document.activeElement === null || document.activeElement === document.body;
}

/** @param {Element} element */
function isThere(element) {
  return element.isConnected && element.checkVisibility({ visibilityProperty: true });
}

/** @param {Element} element */
function isUsable(element) {
  return isThere(element) && !element.matches(":disabled");
}

/** @param {Element} element */
function pathOf(element) {
  /** @type {Element[]} */
  const found = [];
  for (let each = /** @type {Element | null} */ (element); each && each !== document.body; each = each.parentElement) found.push(each);
  return found;
}
