import { h, icon } from "./dom.js";

/** A viewer's way on stage: ask, wait, hear the answer. */
export class AskCard {
  element = h("section", { class: "box ask", "aria-live": "polite", dataset: { testid: "ask-card" } });
  #room;
  #attempt;
  #shown = "";

  /**
   * @param {import("../lib/index.js").Room} room
   * @param {(promise: Promise<unknown>) => void} attempt shows the error if it fails
   */
  constructor(room, attempt) {
    this.#room = room;
    this.#attempt = attempt;
  }

  render() {
    const { you, session, ownRequest } = this.#room.state;
    this.element.hidden = you?.role !== "viewer";
    const allowed = session?.settings.allow_guests ?? false;
    const state = !allowed ? "closed" : ownRequest?.status === "pending" ? "pending" : ownRequest?.status === "rejected" ? "rejected" : "free";
    // Not drawn anew while it stays the same: somebody may be typing.
    if (state === this.#shown) return;
    this.#shown = state;
    this.element.dataset.state = state;
    if (state === "closed") this.element.replaceChildren(h("p", { class: "muted" }, "This session takes no guests."));
    else if (state === "pending") this.#renderPending();
    else this.#renderForm(state === "rejected");
  }

  #renderPending() {
    const cancel = () => this.#attempt(this.#room.cancelGuestRequest());
    this.element.replaceChildren(
      h("h2", {}, "You asked to join"),
      h("p", { class: "muted", dataset: { testid: "ask-status" } }, "Waiting for the host to let you in…"),
      h("button", { type: "button", dataset: { testid: "cancel-request" }, onClick: cancel }, "Cancel request"),
    );
  }

  /** @param {boolean} declined */
  #renderForm(declined) {
    const message = h("textarea", {
      id: "ask-message", rows: 2, maxlength: 500, placeholder: "What would you like to say?", dataset: { testid: "ask-message" },
    });
    const button = h("button", { type: "submit", class: "primary wide with-icon", dataset: { testid: "ask-to-join" } },
      icon("hand"), declined ? "Ask again" : "Ask to join");
    const submit = async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      button.disabled = true;
      const asked = this.#room.requestGuest(message.value.trim());
      this.#attempt(asked);
      await asked.catch(() => {});
      button.disabled = false;
    };
    this.element.replaceChildren(
      h("h2", {}, "Come on stage"),
      h("p", { class: "muted", dataset: { testid: "ask-status" } },
        declined ? "The host declined this time." : "With your camera and microphone, if the host lets you in."),
      h("form", { onSubmit: submit },
        h("label", { for: "ask-message" }, "Message to the host (optional)"), message, button),
    );
  }
}
