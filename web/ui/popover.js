const MARGIN_PX = 8;

/**
 * Opens what belongs to a button, beside it. A click elsewhere, Escape, a focus that goes on, and `hidePopover` close it; then it is gone,
 * and a focus that was in it is on the button again.
 *
 * @param {HTMLElement} element with the attribute `popover`
 * @param {HTMLElement} button
 */
export function openBeside(element, button) {
  element.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "open") return;
    button.setAttribute("aria-expanded", "false");
    element.remove();
  });
  element.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !element.contains(relatedTarget)) element.hidePopover();
  });
  // Where its button is: beside a dialog, or what fills the screen, nothing can be used, and what stands beside the main part belongs to nothing.
  (button.closest(":fullscreen, dialog, main") ?? document.body).append(element);
  // Its place in the order of the Tab key is behind its button, where the browser knows that.
  /** @type {(options: {source: HTMLElement}) => void} */ (element.showPopover).call(element, { source: button });
  placeBeside(element, button);
  button.setAttribute("aria-expanded", "true");
}

/**
 * Puts what has opened below its button, or above it where there is no room.
 *
 * @param {HTMLElement} element
 * @param {HTMLElement} button
 */
function placeBeside(element, button) {
  const at = button.getBoundingClientRect();
  const { width, height } = element.getBoundingClientRect();
  const below = at.bottom + 4;
  const top = below + height > innerHeight - MARGIN_PX ? at.top - height - 4 : below;
  element.style.top = `${Math.max(MARGIN_PX, top)}px`;
  element.style.left = `${Math.max(MARGIN_PX, Math.min(at.right - width, innerWidth - width - MARGIN_PX))}px`;
}
