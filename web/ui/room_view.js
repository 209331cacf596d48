import { JoinToken, Room, errorCode, isJoinToken } from "../lib/index.js";
import { Banner } from "./banner.js";
import { Controls } from "./controls.js";
import { find, h, icon, setText } from "./dom.js";
import { statsCard } from "./ended.js";
import { Gifts } from "./gifts.js";
import { Reactions } from "./reactions.js";
import { Side } from "./side.js";
import { StageMedia } from "./stage_media.js";
import { sentence, texts } from "./texts.js";
import { Tiles } from "./tiles.js";

/**
 * @typedef {import("../lib/signaling.js").StatusDetail} StatusDetail
 * @typedef {import("./main.js").App} App
 */

const SIGN_IN_AGAIN = new Set(["token_missing", "token_invalid", "token_expired"]);
/** How often what is said about times is said anew. */
const CLOCK_MS = 10_000;

/**
 * A live session: stage, side and controls.
 *
 * @param {App} app
 * @param {HTMLElement} root
 * @param {string} sessionId
 * @returns {import("./main.js").Dispose}
 */
export function roomView(app, root, sessionId) {
  const view = new RoomView(app, root, sessionId);
  return () => view.dispose();
}

class RoomView {
  #app;
  #root;
  #room = new Room();
  #banner = new Banner();
  #tiles;
  #side;
  #reactions;
  #gifts;
  #controls;
  #stage;
  #sessionId;
  /** @type {JoinToken | null} */
  #pass = null;
  #drawn = false;
  #over = false;
  /** @type {{reason?: string, stats?: import("../lib/types.js").SessionStats}} what the server said when the session ended */
  #end = {};
  #clock = setInterval(() => this.#draw(), CLOCK_MS);
  #head = createHead();
  #waiting = h("p", { class: "joining muted", role: "status" }, texts.room.joining);
  #render = () => this.#draw();

  /**
   * @param {App} app
   * @param {HTMLElement} root
   * @param {string} sessionId
   */
  constructor(app, root, sessionId) {
    this.#app = app;
    this.#root = root;
    this.#sessionId = sessionId;
    const attempt = (/** @type {Promise<unknown>} */ promise) => this.#attempt(promise);
    this.#stage = new StageMedia(this.#room, app.media, (errors) => this.#devicesFailed(errors));
    this.#tiles = new Tiles(this.#room, app.media, () => this.#soundBlocked());
    /** @type {import("./person_actions.js").Ui} */
    const ui = { attempt, tell: (...notice) => this.#banner.tell(...notice) };
    this.#side = new Side(this.#room, sessionId, ui);
    this.#reactions = new Reactions(this.#room, attempt);
    this.#gifts = new Gifts(this.#room, ui, this.#reactions.rain);
    this.#controls = new Controls(this.#room, app.media, this.#stage, attempt);
    find(this.#head, "[data-testid=share]").addEventListener("click", () => this.#share());
    app.media.addEventListener("change", this.#render);
    this.#listen();
    root.replaceChildren(this.#banner.element, this.#waiting);
    /** @type {any} */ (window).greenroom = { room: this.#room };
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const url = `${scheme}//${location.host}/ws/live/${encodeURIComponent(sessionId)}`;
    // A refusal arrives as the status `closed` too, which is where it is shown.
    this.#room.connect(url, this.#token()).catch(() => {});
  }

  /** A join token lasts for minutes and is renewed while its bearer is here. */
  #token() {
    const { identity } = this.#app;
    const token = identity?.token ?? "";
    if (!identity || !isJoinToken(token)) return token;
    const keep = (/** @type {string} */ renewed) => this.#app.renew(renewed);
    const pass = (this.#pass = new JoinToken(this.#sessionId, token, { onRenewed: keep }));
    return () => pass.token;
  }

  dispose() {
    clearInterval(this.#clock);
    this.#pass?.stop();
    this.#side.dispose();
    this.#reactions.dispose();
    this.#app.media.removeEventListener("change", this.#render);
    this.#stage.dispose();
    this.#tiles.dispose();
    this.#room.disconnect();
    /** @type {any} */ (window).greenroom = { room: null };
  }

  #listen() {
    /** @type {Record<string, (detail: any) => void>} */
    const handlers = {
      status: (detail) => this.#statusChanged(detail),
      change: () => this.#draw(),
      trackadded: () => this.#draw(),
      trackremoved: () => this.#draw(),
      ended: (message) => (this.#end = message),
      rolechange: ({ from, to }) => this.#roleChanged(from, to),
      publisherror: (error) => this.#banner.tell(texts.room.publishRefused(sentence(error))),
      error: (error) => this.#banner.tell(sentence(error)),
    };
    for (const [type, handler] of Object.entries(handlers)) {
      this.#room.addEventListener(type, (event) => handler(/** @type {CustomEvent} */ (event).detail));
    }
  }

  /** @param {StatusDetail} detail */
  #statusChanged(detail) {
    if (detail.status === "connected") this.#banner.hide("reconnecting");
    if (detail.status === "reconnecting") this.#banner.show({ kind: "reconnecting", text: texts.room.reconnecting });
    this.#side.render();
    if (detail.status === "closed") this.#closed(detail.reason ?? "");
  }

  /** @param {string} reason */
  #closed(reason) {
    if (reason === "closed_by_client") return;
    if (SIGN_IN_AGAIN.has(reason)) {
      this.#app.signIn(null);
      return;
    }
    if (reason === "left") {
      location.hash = "#/";
      return;
    }
    this.#app.media.stop();
    for (const kind of ["reconnecting", "devices", "autoplay", "notice"]) this.#banner.hide(kind);
    this.#over = true;
    const text = texts.ended.reasons[this.#end.reason ?? ""] ?? texts.ended.reasons[reason] ?? texts.ended.closed(reason);
    const here = reason === "replaced";
    this.#banner.show({
      kind: reason || "closed",
      text,
      action: here ? texts.ended.again : texts.ended.back,
      onAction: () => (here ? this.#app.reopen() : (location.hash = "#/")),
    });
    this.#banner.element.classList.add("closed");
    this.#root.replaceChildren(this.#banner.element);
    this.#root.focus();
    if (reason === "session_ended") this.#showStats();
  }

  async #showStats() {
    // Those who were never in it, or were removed, see no numbers.
    const stats = this.#end.stats ?? (await this.#app.api.sessionStats(this.#sessionId).catch(() => null))?.stats;
    if (stats && this.#banner.element.isConnected) this.#banner.element.append(statsCard(stats));
  }

  #draw() {
    const { session } = this.#room.state;
    if (!session || this.#over) return;
    if (!this.#drawn) {
      this.#drawn = true;
      const stage = h("div", { class: "stage-box" }, this.#tiles.element, this.#reactions.rain.element, this.#gifts.toasts);
      const foot = h("div", { class: "room-foot" },
        h("div", { class: "foot-start" }, this.#reactions.element, this.#gifts.element), this.#controls.element);
      this.#root.replaceChildren(this.#head, this.#banner.element, h("div", { class: "room-body" }, stage, this.#side.element), foot);
    }
    document.title = `${session.title} · Greenroom`;
    setText(find(this.#head, "h1"), session.title);
    setText(find(this.#head, ".by"), session.description ? `${session.host_name} · ${session.description}` : session.host_name);
    setCount(find(this.#head, ".viewers"), session.viewer_count, texts.viewers(session.viewer_count));
    setCount(find(this.#head, ".guests"), session.guest_count, texts.guestsOnStage(session.guest_count));
    setText(find(this.#head, ".running"), texts.duration((Date.now() - Date.parse(session.started_at)) / 1000));
    find(this.#head, ".locked").hidden = !session.settings.locked;
    this.#tiles.render();
    this.#side.render();
    this.#reactions.render();
    this.#gifts.render();
    this.#controls.render();
  }

  /**
   * @param {string | null} from
   * @param {string} to
   */
  #roleChanged(from, to) {
    if (from === "viewer" && to === "guest") this.#banner.tell(texts.room.onStage);
    else if (to === "cohost") this.#banner.tell(texts.room.nowCohost);
    else if (from === "cohost" && to === "guest") this.#banner.tell(texts.room.guestAgain);
    else if (from !== null && to === "viewer") this.#banner.tell(texts.room.viewerAgain);
  }

  /** @param {Error[]} errors */
  #devicesFailed(errors) {
    if (errors.length === 0) {
      this.#banner.hide("devices");
      return;
    }
    const text = errors.map(sentence).join(" ");
    this.#banner.show({ kind: "devices", text, action: texts.room.tryAgain, onAction: () => this.#stage.open(this.#stage.usual) });
  }

  #soundBlocked() {
    this.#banner.show({
      kind: "autoplay",
      text: texts.room.soundNeedsTap,
      action: texts.room.tapToHear,
      onAction: () => {
        this.#banner.hide("autoplay");
        this.#tiles.unblock();
      },
    });
  }

  /** @param {Promise<unknown>} promise */
  #attempt(promise) {
    promise.catch((error) => {
      if (errorCode(error) === "connection_lost" && this.#room.status === "closed") return;
      this.#banner.tell(sentence(error));
    });
  }

  async #share() {
    try {
      await navigator.clipboard.writeText(location.href);
      this.#banner.tell(texts.room.copied);
    } catch {
      this.#banner.tell(texts.room.shareThis(location.href));
    }
  }
}

function createHead() {
  return h("div", { class: "room-head" },
    h("div", { class: "room-title" }, h("h1", {}), h("p", { class: "by muted" })),
    h("div", { class: "room-facts" },
      h("span", { class: "live" }, texts.live),
      h("span", { class: "running muted" }),
      h("span", { class: "locked", title: texts.lobby.locked, hidden: true }, icon("lock", texts.lobby.locked)),
      createCount("viewers", "eye"),
      createCount("guests", "people"),
      h("button", { type: "button", class: "small with-icon", dataset: { testid: "share" } }, icon("link"), texts.room.copyLink)));
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
