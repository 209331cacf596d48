import { about } from "./about.js";
import { find, h, icon, setAttribute, setText } from "./dom.js";
import { openBeside } from "./popover.js";
import { shareLink } from "./share.js";
import { texts } from "./texts.js";

/** @typedef {import("../lib/types.js").Session} Session */

const SECOND_MS = 1_000;

/** What a session is called, since when it is live, who is there; and the link to it. */
export class RoomHead {
  /** @type {Session | null} */
  #session = null;
  /** All of a long title and of the description, which the head has no room for. */
  #about = h("button", {
    type: "button", class: "quiet about-button", "aria-label": texts.room.about, title: texts.room.about, "aria-haspopup": "dialog", "aria-expanded": "false",
    dataset: { testid: "about" }, onClick: () => this.#openAbout(),
  }, icon("chevron"));
  #share = h("button", {
    type: "button", class: "small with-icon share", "aria-label": texts.room.copyLink, title: texts.room.copyLink, dataset: { testid: "share" },
    onClick: () => shareLink(this.#ui),
  }, icon("link"), h("span", {}, texts.room.copyLink));
  #ui;
  #running = h("span", { class: "running muted", title: texts.room.running, dataset: { testid: "running-time" } });
  #clock = setInterval(() => this.#showTime(), SECOND_MS);
  element = h("div", { class: "room-head" },
    h("div", { class: "room-title" },
      h("div", { class: "room-name" }, h("h1", { dir: "auto" }), this.#about), h("p", { class: "by muted", dir: "auto" })),
    h("div", { class: "room-facts" },
      h("span", { class: "live" }, texts.live),
      this.#running,
      h("span", { class: "locked", title: texts.lobby.locked, hidden: true }, icon("lock", texts.lobby.locked)),
      createCount("viewers", "eye"),
      createCount("guests", "people"),
      this.#share));

  /**
   * @param {import("./person_actions.js").Ui} ui
   * @param {HTMLElement} statistics the button that opens them
   */
  constructor(ui, statistics) {
    this.#ui = ui;
    this.#share.after(statistics);
  }

  dispose() {
    clearInterval(this.#clock);
  }

  /** @param {Session} session */
  render(session) {
    const { title, description, host_name: host, viewer_count: viewers, guest_count: guests, settings } = session;
    this.#session = session;
    setText(find(this.element, "h1"), title);
    setAttribute(find(this.element, "h1"), "title", title);
    setText(find(this.element, ".by"), description ? `${host} · ${description}` : host);
    setCount(find(this.element, ".viewers"), viewers, texts.viewers(viewers));
    setCount(find(this.element, ".guests"), guests, texts.guestsOnStage(guests));
    find(this.element, ".locked").hidden = !settings.locked;
    this.#showTime();
  }

  #openAbout() {
    if (!this.#session) return;
    const dialog = about(this.#session);
    openBeside(dialog, this.#about);
    dialog.focus();
  }

  #showTime() {
    if (this.#session) setText(this.#running, clockTime((Date.now() - Date.parse(this.#session.started_at)) / 1000));
  }
}

/**
 * @param {string} name
 * @param {string} picture
 */
function createCount(name, picture) {
  return h("span", { class: `count ${name}`, dataset: { testid: `${name}-count` } },
    icon(picture), h("span", { class: "visually-hidden before" }), h("span", { class: "number" }), h("span", { class: "visually-hidden after" }));
}

/**
 * The words around the number are for those who don't see the picture.
 *
 * @param {HTMLElement} element
 * @param {number} count
 * @param {string} words with the number in them
 */
function setCount(element, count, words) {
  const number = count.toLocaleString(texts.language);
  const [before, after = ""] = words.split(number);
  setText(find(element, ".before"), before);
  setText(find(element, ".number"), number);
  setText(find(element, ".after"), after);
  element.title = words;
}

/**
 * "0:07", "12:34", "1:02:03".
 *
 * @param {number} seconds
 */
function clockTime(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
