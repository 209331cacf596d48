import { h, icon } from "./dom.js";
import { texts } from "./texts.js";

/** @typedef {"closed" | "invited" | "pending" | "rejected" | "expired" | "free"} AskState */

/** A viewer's way on stage: ask, wait, hear the answer; or be asked. */
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
    const { you, ownInvitation } = this.#room.state;
    this.element.hidden = you?.role !== "viewer";
    const state = this.#state();
    // Not drawn anew while it stays the same: somebody may be typing.
    const shows = `${state} ${ownInvitation?.id}`;
    if (shows === this.#shown) return;
    this.#shown = shows;
    this.element.dataset.state = state;
    if (state === "closed") this.element.replaceChildren(h("p", { class: "muted" }, texts.ask.closed));
    else if (state === "pending") this.#renderPending();
    else if (state === "invited" && ownInvitation) this.#renderInvitation(ownInvitation.id);
    else this.#renderForm(state);
  }

  /** @returns {AskState} */
  #state() {
    const { session, ownRequest, ownInvitation } = this.#room.state;
    if (ownInvitation) return "invited";
    if (!session?.settings.allow_guests) return "closed";
    const status = ownRequest?.status;
    return status === "pending" || status === "rejected" || status === "expired" ? status : "free";
  }

  #renderPending() {
    const cancel = () => this.#attempt(this.#room.cancelRequest());
    this.element.replaceChildren(
      h("h2", {}, texts.ask.pending),
      h("div", { class: "ask-row" },
        h("p", { class: "muted", dataset: { testid: "ask-status" } }, texts.ask.waiting),
        h("button", { type: "button", class: "small", dataset: { testid: "cancel-request" }, onClick: cancel }, texts.ask.cancel)),
    );
  }

  /** @param {string} requestId */
  #renderInvitation(requestId) {
    const accept = () => this.#attempt(this.#room.acceptInvitation(requestId));
    const decline = () => this.#attempt(this.#room.declineInvitation(requestId));
    this.element.replaceChildren(
      h("h2", {}, texts.ask.invited),
      h("p", { class: "muted", dataset: { testid: "ask-status" } }, texts.ask.invitedHint),
      h("div", { class: "ask-buttons" },
        h("button", { type: "button", class: "primary", dataset: { testid: "accept-invitation" }, onClick: accept }, texts.ask.accept),
        h("button", { type: "button", dataset: { testid: "decline-invitation" }, onClick: decline }, texts.ask.decline)),
    );
  }

  /** @param {AskState} state */
  #renderForm(state) {
    const again = state === "rejected" || state === "expired";
    const hint = state === "rejected" ? texts.ask.declined : state === "expired" ? texts.ask.expired : texts.ask.hint;
    const message = h("input", {
      id: "ask-message", maxlength: 500, autocomplete: "off", placeholder: texts.ask.placeholder, dataset: { testid: "ask-message" },
    });
    const button = h("button", { type: "submit", class: again ? "with-icon" : "primary with-icon", dataset: { testid: "ask-to-join" } },
      icon("hand"), again ? texts.ask.again : texts.ask.ask);
    const submit = async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      button.disabled = true;
      const asked = this.#room.requestToJoin(message.value.trim());
      this.#attempt(asked);
      await asked.catch(() => {});
      button.disabled = false;
    };
    this.element.replaceChildren(
      h("h2", {}, texts.ask.title),
      h("p", { class: "muted", dataset: { testid: "ask-status" } }, hint),
      h("form", { class: "ask-row", onSubmit: submit },
        h("label", { for: "ask-message", class: "visually-hidden" }, texts.ask.message), message, button),
    );
  }
}
