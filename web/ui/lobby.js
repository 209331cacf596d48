import { errorCode } from "../lib/index.js";
import { find, h, icon, initials, reconcile, setAttribute, setText } from "./dom.js";
import { inColourOf } from "./face.js";
import { sentence, texts } from "./texts.js";

/** @typedef {import("../lib/types.js").Session} Session */

const REFRESH_MS = 5_000;
/** From the last letter to the search. */
const TYPING_MS = 250;
const PAGE = 48;

/**
 * The list of live sessions.
 *
 * @param {import("./main.js").App} app
 * @param {HTMLElement} root
 * @returns {import("./main.js").Dispose}
 */
export function lobbyView(app, root) {
  const lobby = new Lobby(app);
  root.replaceChildren(...lobby.elements);
  lobby.start();
  return () => lobby.dispose();
}

class Lobby {
  #app;
  #list = h("ul", { class: "cards", dataset: { testid: "session-list" } });
  #status = h("p", { class: "lobby-status muted", role: "status" }, texts.lobby.looking);
  #more = h("button", { type: "button", class: "show-more", hidden: true, onClick: () => this.#showMore() }, texts.lobby.more);
  #search = h("input", {
    type: "search", class: "search-input", "aria-label": texts.lobby.search, placeholder: texts.lobby.search, maxlength: 200, autocomplete: "off",
    dataset: { testid: "search" }, onInput: () => this.#refreshIn(TYPING_MS),
  });
  #order = h("select", { "aria-label": texts.lobby.order, dataset: { testid: "order" }, onChange: () => this.#refresh() },
    ...Object.entries(texts.lobby.orders).map(([value, text]) => h("option", { value }, text)));
  #pages = 1;
  #stopped = false;
  /** Only the latest answer counts: a slow one may be to another search. */
  #asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #wake = () => void this.#refresh();

  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.#app = app;
  }

  get elements() {
    const goLive = () => (location.hash = "#/live");
    return [
      h("div", { class: "page-head" },
        h("div", {}, h("h1", {}, texts.lobby.title), h("p", { class: "muted" }, texts.lobby.hint)),
        h("button", { type: "button", class: "primary with-icon", dataset: { testid: "go-live" }, onClick: goLive }, icon("camera"), texts.lobby.goLive)),
      h("div", { class: "search", role: "search" }, h("div", { class: "search-box" }, icon("search"), this.#search), this.#order),
      this.#status,
      this.#list,
      this.#more,
    ];
  }

  start() {
    document.addEventListener("visibilitychange", this.#wake);
    this.#refresh();
  }

  dispose() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#wake);
  }

  /** @param {number} ms */
  #refreshIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#wake, ms);
  }

  #showMore() {
    this.#pages += 1;
    this.#refresh();
  }

  async #refresh() {
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    const current = () => !this.#stopped && asked === this.#asked;
    if (!document.hidden) {
      try {
        const { sessions, more } = await this.#load();
        if (!current()) return;
        this.#show(sessions, more);
      } catch (error) {
        if (!current()) return;
        if (/** @type {any} */ (error).status === 401) return this.#app.signIn(null, errorCode(error));
        setText(this.#status, texts.lobby.retrying(sentence(error)));
      }
    }
    if (current()) this.#refreshIn(REFRESH_MS);
  }

  async #load() {
    const order = /** @type {"started" | "viewers"} */ (this.#order.value);
    const q = this.#search.value.trim();
    /** @type {Map<string, Session>} in the order by viewers one may come twice */
    const sessions = new Map();
    /** @type {string | null} */
    let cursor = null;
    for (let page = 0; page < this.#pages; page++) {
      /** @type {{sessions: Session[], next_cursor: string | null}} */
      const answer = await this.#app.api.active({ q, order, cursor, limit: PAGE });
      for (const session of answer.sessions) sessions.set(session.id, session);
      cursor = answer.next_cursor;
      if (!cursor) break;
    }
    return { sessions: [...sessions.values()], more: cursor !== null };
  }

  /**
   * @param {Session[]} sessions
   * @param {boolean} more
   */
  #show(sessions, more) {
    const words = this.#search.value.trim();
    setText(this.#status, sessions.length ? "" : words ? texts.lobby.notFound(words) : texts.lobby.empty);
    this.#more.hidden = !more;
    reconcile(this.#list, sessions, (session) => session.id, createCard, updateCard);
  }
}

/** @param {Session} session */
function createCard({ id, host_user_id: hostId, host_name: host }) {
  return h("li", {},
    h("a", { class: "session-card", href: `#/s/${encodeURIComponent(id)}`, dataset: { testid: "session-card", sessionId: id } },
      inColourOf(hostId, h("span", { class: "card-cover" },
        h("span", { class: "card-face", "aria-hidden": "true" }, initials(host)),
        h("span", { class: "card-top" },
          h("span", { class: "live" }, texts.live),
          h("span", { class: "chip since" }),
          h("span", { class: "chip type" }),
          h("span", { class: "chip locked" }, icon("lock"), texts.lobby.locked)),
        h("span", { class: "card-counts" },
          h("span", { class: "chip count viewers" }, icon("eye"), h("span", {})),
          h("span", { class: "chip count guests" }, icon("people"), h("span", {}))))),
      h("span", { class: "card-body" },
        h("strong", { class: "card-title", dir: "auto" }),
        h("span", { class: "card-host", dir: "auto" }),
        h("span", { class: "card-text muted", dir: "auto" }))));
}

/**
 * @param {HTMLElement} element
 * @param {Session} session
 */
function updateCard(element, session) {
  const { title, host_name: host, viewer_count: viewers, guest_count: guests } = session;
  // Nearly all are seen by a camera: only what is different is said.
  setText(find(element, ".type"), texts.types[session.session_type]);
  find(element, ".type").hidden = session.session_type === "camera";
  setText(find(element, ".since"), texts.lobby.since((Date.now() - Date.parse(session.started_at)) / 1000));
  find(element, ".locked").hidden = !session.settings.locked;
  setText(find(element, ".card-title"), title);
  setText(find(element, ".card-text"), session.description);
  setText(find(element, ".card-host"), host);
  setText(find(element, ".viewers span"), viewers.toLocaleString(texts.language));
  setText(find(element, ".guests span"), String(guests));
  setAttribute(find(element, ".viewers"), "title", texts.viewers(viewers));
  setAttribute(find(element, ".guests"), "title", texts.guestsOnStage(guests));
  const label = texts.lobby.card(title, host, viewers, guests);
  setAttribute(find(element, ".session-card"), "aria-label", session.settings.locked ? `${label}, ${texts.lobby.locked}` : label);
}
