import { h } from "./dom.js";
import { texts } from "./texts.js";

/**
 * Asks before something that cannot be taken back.
 *
 * @param {{title: string, text: string, action: string}} question `action` is the text of the button that does it
 * @returns {Promise<boolean>}
 */
export async function confirmStep(question) {
  return (await ask(question)) !== null;
}

/**
 * The same, with a line to write.
 *
 * @param {{title: string, text: string, action: string, label: string, maxLength: number}} question
 * @returns {Promise<string | null>} null: no
 */
export function confirmWithReason(question) {
  return ask(question);
}

/**
 * @param {{title: string, text: string, action: string, label?: string, maxLength?: number}} question
 * @returns {Promise<string | null>}
 */
function ask({ title, text, action, label, maxLength }) {
  return new Promise((resolve) => {
    const input = h("input", { id: "confirm-reason", maxlength: maxLength, autocomplete: "off" });
    const field = label ? h("div", { class: "field" }, h("label", { for: "confirm-reason" }, label), input) : null;
    const dialog = h("dialog", { class: "confirm", "aria-labelledby": "confirm-title", dataset: { testid: "confirm" } },
      h("h2", { id: "confirm-title" }, title),
      h("p", { class: "muted" }, text),
      h("form", { method: "dialog" },
        field,
        h("div", { class: "confirm-buttons" },
          // First in the order of the page: Enter in the field, and a key that was pressed by mistake, do nothing.
          h("button", { value: "cancel", dataset: { testid: "confirm-cancel" } }, texts.cancel),
          h("button", { value: "yes", class: "danger", dataset: { testid: "confirm-yes" } }, action))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? input.value.trim() : null);
    });
    // Beside what fills the screen nothing can be used.
    (document.fullscreenElement ?? document.body).append(dialog);
    dialog.showModal();
  });
}
