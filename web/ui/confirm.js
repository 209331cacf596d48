import { h } from "./dom.js";

/**
 * Asks before something that cannot be taken back.
 *
 * @param {{title: string, text: string, action: string}} question `action` is the text of the button that does it
 * @returns {Promise<boolean>}
 */
export function confirmStep({ title, text, action }) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "confirm", "aria-labelledby": "confirm-title", dataset: { testid: "confirm" } },
      h("h2", { id: "confirm-title" }, title),
      h("p", { class: "muted" }, text),
      h("form", { method: "dialog", class: "confirm-buttons" },
        h("button", { value: "cancel", dataset: { testid: "confirm-cancel" } }, "Cancel"),
        h("button", { value: "yes", class: "danger", dataset: { testid: "confirm-yes" } }, action)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
