import { JoinToken, Room, errorCode, isJoinToken } from "../lib/index.js";
import { announce } from "./announce.js";
import { Banner } from "./banner.js";
import { Controls } from "./controls.js";
import { deviceSentence } from "./device_help.js";
import { h } from "./dom.js";
import { endPage, endingOf, statsCard } from "./ended.js";
import { Gifts } from "./gifts.js";
import { oncePerFrame } from "./once_per_frame.js";
import { qualityExtra } from "./quality_mark.js";
import { Reactions } from "./reactions.js";
import { RoomHead } from "./room_head.js";
import { Side } from "./side.js";
import { speakingExtra } from "./speaking.js";
import { StageMedia } from "./stage_media.js";
import { StatisticsPanel } from "./statistics_panel.js";
import { statisticsExtra } from "./statistics_tile.js";
import { sentence, texts } from "./texts.js";
import { Tiles } from "./tiles.js";

/**
 * @typedef {import("../lib/index.js").RoomEvents} RoomEvents
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
  /** @type {Set<"up" | "down">} where sound and picture find no way */
  #blocked = new Set();
  #drawn = false;
  #over = false;
  /** @type {{reason?: string, stats?: import("../lib/types.js").SessionStats}} what the server said when the session ended */
  #end = {};
  #drawing = oncePerFrame(() => this.#draw());
  #clock = setInterval(this.#drawing.request, CLOCK_MS);
  #statistics;
  #head;
  #waiting = h("p", { class: "joining muted", role: "status" }, texts.room.joining);

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
    /** @type {import("./person_actions.js").Ui} */
    const ui = { attempt, tell: (...notice) => this.#banner.tell(...notice) };
    this.#stage = new StageMedia(this.#room, app.media, { ...ui, problem: (errors) => this.#devicesFailed(errors) });
    const extras = [speakingExtra(this.#room), qualityExtra(this.#room), statisticsExtra(this.#room)];
    this.#tiles = new Tiles(this.#room, app.media, { ui, onBlocked: () => this.#soundBlocked(), extras });
    this.#statistics = new StatisticsPanel(this.#room);
    this.#head = new RoomHead(ui, this.#statistics.button);
    this.#side = new Side(this.#room, sessionId, ui);
    this.#reactions = new Reactions(this.#room, attempt);
    this.#gifts = new Gifts(this.#room, ui, this.#reactions.rain);
    this.#controls = new Controls(this.#room, app.media, this.#stage, attempt);
    app.media.addEventListener("change", this.#drawing.request);
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
    this.#drawing.cancel();
    this.#pass?.stop();
    this.#head.dispose();
    this.#side.dispose();
    this.#reactions.dispose();
    this.#app.media.removeEventListener("change", this.#drawing.request);
    this.#stage.dispose();
    this.#tiles.dispose();
    this.#statistics.close();
    this.#room.disconnect();
    /** @type {any} */ (window).greenroom = { room: null };
  }

  #listen() {
    /** @type {{[Name in keyof RoomEvents]?: (detail: RoomEvents[Name]) => void}} */
    const handlers = {
      status: (detail) => this.#statusChanged(detail),
      change: this.#drawing.request,
      trackadded: this.#drawing.request,
      trackremoved: this.#drawing.request,
      ended: (message) => (this.#end = message),
      media: ({ direction, connected }) => this.#mediaChanged(direction, connected),
      rolechange: ({ from, to }) => this.#roleChanged(from, to),
      publisherror: (error) => this.#banner.tell(texts.room.publishRefused(sentence(error))),
      error: (error) => this.#banner.tell(sentence(error)),
    };
    for (const [type, handler] of Object.entries(handlers)) {
      this.#room.addEventListener(/** @type {keyof RoomEvents} */ (type), (event) => handler(/** @type {CustomEvent} */ (event).detail));
    }
  }

  /** @param {StatusDetail} detail */
  #statusChanged(detail) {
    if (detail.status === "connected" && this.#banner.hide("reconnecting")) announce(texts.room.connectedAgain);
    if (detail.status === "reconnecting") this.#banner.show({ kind: "reconnecting", text: texts.room.reconnecting });
    this.#tellBlockedMedia();
    this.#side.render();
    if (detail.status === "closed") this.#closed(detail.reason ?? "");
  }

  /**
   * @param {"up" | "down"} direction
   * @param {boolean} connected
   */
  #mediaChanged(direction, connected) {
    if (connected) this.#blocked.delete(direction);
    else this.#blocked.add(direction);
    this.#tellBlockedMedia();
  }

  /** A connection that is lost is said already. */
  #tellBlockedMedia() {
    const { down, up } = texts.room.blocked;
    if (this.#blocked.size === 0 || this.#room.status !== "connected") this.#banner.hide("blocked");
    else this.#banner.show({ kind: "blocked", text: this.#blocked.has("down") ? down : up, action: texts.close, onAction: () => this.#banner.hide("blocked") });
  }

  /** @param {string} reason */
  #closed(reason) {
    if (reason === "closed_by_client") return;
    if (SIGN_IN_AGAIN.has(reason)) {
      this.#app.signIn(null, reason);
      return;
    }
    if (reason === "left") {
      location.hash = "#/";
      return;
    }
    this.#app.media.stop();
    this.#statistics.close();
    for (const kind of ["reconnecting", "devices", "autoplay", "notice"]) this.#banner.hide(kind);
    this.#over = true;
    const { text, way } = endingOf(reason, this.#end.reason);
    this.#banner.show({ kind: reason || "closed", text, action: texts.ended[way], onAction: () => this.#goOn(way) });
    this.#banner.element.classList.add("closed");
    const page = endPage(this.#banner.element, way, this.#room.state.session);
    this.#app.head.replaceChildren();
    this.#root.replaceChildren(page);
    this.#root.focus();
    if (reason === "session_ended") this.#showStats(page);
  }

  /** @param {import("./ended.js").Way} way */
  #goOn(way) {
    if (way === "back") location.hash = "#/";
    else if (way === "reload") location.reload();
    else this.#app.reopen();
  }

  /** @param {HTMLElement} page */
  async #showStats(page) {
    // Those who were never in it, or were removed, see no numbers.
    const stats = this.#end.stats ?? (await this.#app.api.sessionStats(this.#sessionId).catch(() => null))?.stats;
    if (stats) page.append(statsCard(stats));
  }

  #draw() {
    const { session } = this.#room.state;
    if (!session || this.#over) return;
    if (!this.#drawn) {
      this.#drawn = true;
      const stage = h("div", { class: "stage-box" }, this.#tiles.element, this.#reactions.rain.element, this.#gifts.toasts);
      const foot = h("div", { class: "room-foot" },
        h("div", { class: "foot-start" }, this.#reactions.element, this.#gifts.element), this.#controls.element);
      this.#app.head.replaceChildren(this.#head.element);
      this.#root.replaceChildren(this.#banner.element, h("div", { class: "room-body" }, stage, this.#side.element), foot);
    }
    document.title = `${session.title} · Greenroom`;
    this.#head.render(session);
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
    if (to === "cohost") this.#banner.tell(texts.room.nowCohost);
    else if (from === "cohost" && to === "guest") this.#banner.tell(texts.room.guestAgain);
    else if (from !== null && to === "viewer") this.#banner.tell(texts.room.viewerAgain);
  }

  /** @param {Error[]} errors */
  #devicesFailed(errors) {
    if (errors.length === 0) {
      this.#banner.hide("devices");
      return;
    }
    const text = errors.map(deviceSentence).join(" ");
    this.#banner.show({ kind: "devices", text, action: texts.room.tryAgain, onAction: () => this.#stage.retry() });
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
}
