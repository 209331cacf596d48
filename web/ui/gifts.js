import { h, icon, setText } from "./dom.js";
import { openBeside } from "./popover.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").CatalogueGift} CatalogueGift
 * @typedef {import("../lib/types.js").Gift} Gift
 */

const QUANTITIES = [1, 5, 10, 50];
const TOAST_MS = 5_000;
const SLOW_MS = 1_200;
/** The stage is there to see people. */
const MAX_TOASTS = 3;
/** Glyphs that float up for one gift, at most. */
const MAX_GLYPHS = 12;

/** A button with the catalogue behind it; what anybody gives is shown over the stage. */
export class Gifts {
  element = h("button", {
    type: "button", class: "gift-button", hidden: true, "aria-label": texts.gifts.give, title: texts.gifts.give, "aria-haspopup": "dialog", "aria-expanded": "false",
    dataset: { testid: "gifts" }, onClick: () => this.#ui.attempt(this.#open()),
  }, icon("gift"));
  toasts = h("div", { class: "gift-toasts" });
  #room;
  #ui;
  #rain;
  /** @type {CatalogueGift[] | null} read when it is first wanted */
  #catalogue = null;

  /**
   * @param {Room} room
   * @param {import("./person_actions.js").Ui} ui
   * @param {import("./reaction_rain.js").ReactionRain} rain
   */
  constructor(room, ui, rain) {
    this.#room = room;
    this.#ui = ui;
    this.#rain = rain;
    room.addEventListener("gift", (event) => this.#given(/** @type {CustomEvent} */ (event).detail));
  }

  render() {
    this.element.hidden = !this.#room.state.session?.settings.enable_gifts;
  }

  async #open() {
    this.#catalogue ??= (await this.#room.api.gifts()).gifts;
    const dialog = this.#createDialog(this.#catalogue);
    openBeside(dialog, this.element);
    /** @type {HTMLElement | null} */ (dialog.querySelector("input"))?.focus();
  }

  /** @param {CatalogueGift[]} catalogue */
  #createDialog(catalogue) {
    const choices = catalogue.map(({ id, name, icon: picture, value }, index) =>
      h("label", { class: "gift-choice" },
        h("input", { type: "radio", name: "gift", value: id, required: true, checked: index === 0 }),
        h("span", { class: "gift-face" }, pictureOf(picture), h("span", {}, name), h("span", { class: "muted" }, value.toLocaleString(texts.language)))));
    const quantity = h("select", { name: "quantity", "aria-label": texts.gifts.quantity },
      ...QUANTITIES.map((count) => h("option", { value: count }, `× ${count}`)));
    const send = h("button", { type: "submit", class: "primary", dataset: { testid: "send-gift" } });
    const chosen = () => catalogue.find(({ id }) => id === new FormData(form).get("gift"));
    const showTotal = () => setText(send, texts.gifts.send((chosen()?.value ?? 0) * Number(quantity.value)));
    const form = h("form", { onChange: showTotal, onSubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      const gift = chosen();
      dialog.hidePopover();
      if (gift) this.#send(gift.id, Number(quantity.value));
    } }, h("div", { class: "gift-choices" }, ...choices), h("div", { class: "gift-send" }, quantity, send));
    const content = catalogue.length ? form : h("p", { class: "muted" }, texts.gifts.empty);
    const dialog = h("div", { class: "menu gift-dialog", popover: "auto", role: "dialog", "aria-label": texts.gifts.give }, content);
    showTotal();
    return dialog;
  }

  /**
   * @param {string} id
   * @param {number} quantity
   */
  async #send(id, quantity) {
    // Asking for the money takes as long as it takes. Nobody should give twice because nothing seems to happen.
    const slow = setTimeout(() => this.#ui.tell(texts.gifts.sending), SLOW_MS);
    const done = this.#room.sendGift(id, quantity);
    this.#ui.attempt(done);
    await done.catch(() => {});
    clearTimeout(slow);
  }

  /** @param {Gift} gift */
  #given({ name, gift_name: giftName, icon: picture, quantity }) {
    if (!isPath(picture)) this.#rain.burst(picture, Math.min(MAX_GLYPHS, 2 + quantity));
    const toast = h("p", { class: "gift-toast" }, pictureOf(picture), h("span", { dir: "auto" }, texts.chat.gift(name, giftName, quantity)));
    this.toasts.append(toast);
    if (this.toasts.childElementCount > MAX_TOASTS) this.toasts.firstElementChild?.remove();
    setTimeout(() => toast.remove(), TOAST_MS);
  }
}

/** @param {string} picture an emoji, or the path of a picture */
export function pictureOf(picture) {
  if (isPath(picture)) return h("img", { class: "gift-icon", src: picture, alt: "" });
  return h("span", { class: "gift-icon", "aria-hidden": "true" }, picture);
}

/** @param {string} picture */
function isPath(picture) {
  return picture.startsWith("/");
}
