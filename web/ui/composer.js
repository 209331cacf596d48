import { isModerator } from "../lib/index.js";
import { announce } from "./announce.js";
import { h, icon, setText } from "./dom.js";
import { recall, remember } from "./tab_storage.js";
import { texts } from "./texts.js";

/** @typedef {import("../lib/index.js").Room} Room */

const MAX_LENGTH = 500;
const MAX_LINES = 10;
/** From here on the writer is told how much room there is left. */
const NEAR_THE_END = 60;
const TICK_MS = 250;

/** Where a message is written. What is not sent yet outlives everything but the tab. */
export class Composer {
  element = h("form", { class: "composer", onSubmit: (/** @type {Event} */ event) => this.#submit(event) });
  #room;
  #onSend;
  #storageKey;
  #input = h("textarea", {
    class: "composer-input", rows: 1, maxlength: MAX_LENGTH, enterkeyhint: "send", "aria-label": texts.chat.placeholder,
    placeholder: texts.chat.placeholder, dir: "auto", dataset: { testid: "chat-input" },
    onKeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    onInput: () => this.#typed(),
  });
  #send = h("button", { type: "submit", class: "primary composer-send", "aria-label": texts.chat.send, title: texts.chat.send, dataset: { testid: "chat-send" } }, icon("send"));
  #row = h("div", { class: "composer-row" }, this.#input, this.#send);
  #note = h("p", { class: "composer-note", dataset: { testid: "chat-note" } });
  /** When slow mode allows the next message, in milliseconds since 1970. */
  #slowUntil = 0;
  /** What the note said last, without numbers. */
  #said = "";
  /** The text whose height the field has. */
  #fitted = "";
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticker;

  /**
   * @param {Room} room
   * @param {string} sessionId
   * @param {(text: string) => Promise<unknown>} onSend
   */
  constructor(room, sessionId, onSend) {
    this.#room = room;
    this.#onSend = onSend;
    this.#storageKey = `greenroom.draft.${sessionId}`;
    this.element.append(this.#row, this.#note);
    this.#input.value = recall(this.#storageKey) ?? "";
  }

  dispose() {
    clearInterval(this.#ticker);
  }

  render() {
    const { you, session } = this.#room.state;
    if (!you || !session) return;
    const { enable_chat: enabled, slow_mode_s: slowMode } = session.settings;
    const shut = !enabled || you.chat_silenced;
    this.#row.hidden = shut;
    const waitS = isModerator(you.role) || !slowMode ? 0 : Math.ceil((this.#slowUntil - Date.now()) / 1000);
    const tooTall = this.#input.value.trim().split("\n").length > MAX_LINES;
    this.#send.disabled = waitS > 0 || tooTall || !this.#input.value.trim();
    this.#tick(waitS > 0);
    this.#fit();
    if (!enabled) this.#say(texts.chat.disabled);
    else if (you.chat_silenced) this.#say(texts.chat.silenced);
    else if (tooTall) this.#say(texts.chat.tooManyLines(MAX_LINES));
    else if (this.#room.status === "reconnecting") this.#say(texts.chat.offline);
    else if (waitS > 0) this.#say(texts.chat.slow(waitS));
    else if (MAX_LENGTH - this.#input.value.length < NEAR_THE_END) this.#say(texts.chat.left(MAX_LENGTH - this.#input.value.length));
    else this.#say(slowMode && !isModerator(you.role) ? texts.chat.slowOn(slowMode) : "");
  }

  /** @param {string} text */
  #say(text) {
    // A countdown is read out once, not every second.
    const gist = text.replace(/\d+/g, "");
    if (gist && gist !== this.#said) announce(text);
    this.#said = gist;
    setText(this.#note, text);
    this.#note.hidden = !text;
  }

  /** Counts down. @param {boolean} running */
  #tick(running) {
    if (running && this.#ticker === undefined) this.#ticker = setInterval(() => this.render(), TICK_MS);
    if (running || this.#ticker === undefined) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #typed() {
    remember(this.#storageKey, this.#input.value);
    this.render();
  }

  /** As high as its text, up to the height that the style allows. Measuring costs a layout of the page, so only what changed is measured. */
  #fit() {
    if (this.#fitted === this.#input.value || this.#input.clientWidth === 0) return;
    this.#fitted = this.#input.value;
    this.#input.style.height = "auto";
    if (this.#input.value) this.#input.style.height = `${this.#input.scrollHeight + 2}px`;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!this.#send.disabled) this.element.requestSubmit();
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    const text = this.#input.value.trim();
    if (!text || this.#send.disabled) return;
    this.#input.value = "";
    remember(this.#storageKey, null);
    this.#wait(this.#room.state.session?.settings.slow_mode_s ?? 0);
    this.#input.focus();
    try {
      await this.#onSend(text);
    } catch (error) {
      const { code, retryAfterS = 0 } = /** @type {import("../lib/index.js").GreenroomError} */ (error);
      this.#wait(code === "slow_mode" ? retryAfterS : 0);
    }
  }

  /** @param {number} seconds */
  #wait(seconds) {
    this.#slowUntil = Date.now() + seconds * 1000;
    this.render();
  }
}
