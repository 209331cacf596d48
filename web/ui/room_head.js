import { find, h, icon, setText } from "./dom.js";
import { texts } from "./texts.js";

/** @typedef {import("../lib/types.js").Session} Session */

/** What a session is called, since when it is live, who is there; and the link to it. */
export class RoomHead {
  #ui;
  #share = h("button", {
    type: "button", class: "small with-icon share", "aria-label": texts.room.copyLink, title: texts.room.copyLink, dataset: { testid: "share" },
    onClick: () => this.#shareLink(),
  }, icon("link"), h("span", {}, texts.room.copyLink));
  element = h("div", { class: "room-head" },
    h("div", { class: "room-title" }, h("h1", { dir: "auto" }), h("p", { class: "by muted", dir: "auto" })),
    h("div", { class: "room-facts" },
      h("span", { class: "live" }, texts.live),
      h("span", { class: "running muted", dataset: { testid: "running-time" } }),
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

  /** @param {Session} session */
  render({ title, description, host_name: host, viewer_count: viewers, guest_count: guests, started_at: since, settings }) {
    setText(find(this.element, "h1"), title);
    setText(find(this.element, ".by"), description ? `${host} · ${description}` : host);
    setCount(find(this.element, ".viewers"), viewers, texts.viewers(viewers));
    setCount(find(this.element, ".guests"), guests, texts.guestsOnStage(guests));
    setText(find(this.element, ".running"), texts.duration(Math.max(0, Date.now() - Date.parse(since)) / 1000));
    find(this.element, ".locked").hidden = !settings.locked;
  }

  async #shareLink() {
    const { href } = location;
    if (await sharedByPhone(document.title, href)) return;
    try {
      await navigator.clipboard.writeText(href);
      this.#ui.tell(texts.room.copied);
    } catch {
      this.#ui.tell(texts.room.shareThis(href));
    }
  }
}

/**
 * Phones have a sheet for this, with all the applications in which one talks to people.
 *
 * @param {string} title
 * @param {string} url
 * @returns {Promise<boolean>} false where there is none
 */
async function sharedByPhone(title, url) {
  if (!navigator.share || !matchMedia("(pointer: coarse)").matches) return false;
  try {
    await navigator.share({ title, url });
    return true;
  } catch (error) {
    // Put away again: an answer too.
    return error instanceof DOMException && error.name === "AbortError";
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
