import { Room, errorCode } from "../lib/index.js";
import { Banner } from "./banner.js";
import { Controls } from "./controls.js";
import { find, h, icon, setText } from "./dom.js";
import { Panel } from "./panel.js";
import { StageMedia } from "./stage_media.js";
import { Tiles } from "./tiles.js";

/**
 * @typedef {import("../lib/signaling.js").StatusDetail} StatusDetail
 * @typedef {import("./main.js").App} App
 */

/** @type {Record<string, string>} by the reason of a final close */
const GOODBYES = {
  left: "You left the session.",
  kicked: "The host removed you from this session. You cannot come back to it.",
  session_not_found: "There is no such session.",
  session_ended: "The session has ended.",
  host_lost: "The session has ended: the host's connection was lost.",
  ended_by_operator: "The session was ended by the operator of this server.",
  replaced: "You opened this session somewhere else. It goes on there.",
  session_full: "The session is full.",
  unsupported_protocol: "This page is out of date. Reload it.",
};
const SIGN_IN_AGAIN = new Set(["token_missing", "token_invalid", "token_expired"]);

/**
 * A live session: stage, panel and controls.
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
  #panel;
  #controls;
  #stage;
  #drawn = false;
  #endReason = "";
  #head = createHead();
  #waiting = h("p", { class: "joining muted", role: "status" }, "Joining…");
  #render = () => this.#draw();

  /**
   * @param {App} app
   * @param {HTMLElement} root
   * @param {string} sessionId
   */
  constructor(app, root, sessionId) {
    this.#app = app;
    this.#root = root;
    const attempt = (/** @type {Promise<unknown>} */ promise) => this.#attempt(promise);
    this.#stage = new StageMedia(this.#room, app.media, (errors) => this.#devicesFailed(errors));
    this.#tiles = new Tiles(this.#room, app.media, () => this.#soundBlocked());
    this.#panel = new Panel(this.#room, attempt);
    this.#controls = new Controls(this.#room, app.media, this.#stage, attempt);
    find(this.#head, "[data-testid=share]").addEventListener("click", () => this.#share());
    app.media.addEventListener("change", this.#render);
    this.#listen();
    root.replaceChildren(this.#banner.element, this.#waiting);
    /** @type {any} */ (window).greenroom = { room: this.#room };
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const url = `${scheme}//${location.host}/ws/live/${encodeURIComponent(sessionId)}`;
    // A refusal arrives as the status `closed` too, which is where it is shown.
    this.#room.connect(url, app.identity?.token ?? "").catch(() => {});
  }

  dispose() {
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
      ended: ({ reason }) => (this.#endReason = reason),
      rolechange: ({ from, to }) => this.#roleChanged(from, to),
      publisherror: (error) => this.#banner.tell(`What you send was refused: ${error.message}`),
      error: ({ message }) => this.#banner.tell(message),
    };
    for (const [type, handler] of Object.entries(handlers)) {
      this.#room.addEventListener(type, (event) => handler(/** @type {CustomEvent} */ (event).detail));
    }
  }

  /** @param {StatusDetail} detail */
  #statusChanged(detail) {
    if (detail.status === "connected") this.#banner.hide("reconnecting");
    if (detail.status === "reconnecting") this.#banner.show({ kind: "reconnecting", text: "Connection lost. Reconnecting…" });
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
    const text = GOODBYES[this.#endReason] ?? GOODBYES[reason] ?? `The connection was closed (${reason}).`;
    this.#banner.show({
      kind: reason || "closed",
      text,
      action: "Back to live sessions",
      onAction: () => (location.hash = "#/"),
    });
    this.#banner.element.classList.add("closed");
    this.#root.replaceChildren(this.#banner.element);
    this.#root.focus();
  }

  #draw() {
    const { session } = this.#room.state;
    if (!session || this.#room.status === "closed") return;
    if (!this.#drawn) {
      this.#drawn = true;
      const body = h("div", { class: "room-body" }, this.#tiles.element, this.#panel.element);
      this.#root.replaceChildren(this.#head, this.#banner.element, body, this.#controls.element);
    }
    document.title = `${session.title} · Greenroom`;
    setText(find(this.#head, "h1"), session.title);
    setText(find(this.#head, ".by"), session.description ? `${session.host_name} · ${session.description}` : session.host_name);
    setText(find(this.#head, ".viewers .number"), String(session.viewer_count));
    setText(find(this.#head, ".guests .number"), String(session.guest_count));
    this.#tiles.render();
    this.#panel.render();
    this.#controls.render();
  }

  /**
   * @param {string | null} from
   * @param {string} to
   */
  #roleChanged(from, to) {
    if (from === "viewer" && to === "guest") this.#banner.tell("You are on stage.");
    else if (to === "cohost") this.#banner.tell("The host made you a co-host.");
    else if (from === "cohost" && to === "guest") this.#banner.tell("You are a guest again.");
    else if (from !== null && to === "viewer") this.#banner.tell("You are back among the viewers.");
  }

  /** @param {Error[]} errors */
  #devicesFailed(errors) {
    if (errors.length === 0) {
      this.#banner.hide("devices");
      return;
    }
    const text = errors.map((error) => error.message).join(" ");
    this.#banner.show({ kind: "devices", text, action: "Try again", onAction: () => this.#stage.open(this.#stage.usual) });
  }

  #soundBlocked() {
    this.#banner.show({
      kind: "autoplay",
      text: "Your browser wants a tap before it plays sound.",
      action: "Tap to hear",
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
      this.#banner.tell(error.message);
    });
  }

  async #share() {
    try {
      await navigator.clipboard.writeText(location.href);
      this.#banner.tell("The link is copied.");
    } catch {
      this.#banner.tell(`Share this link: ${location.href}`);
    }
  }
}

function createHead() {
  return h("div", { class: "room-head" },
    h("div", { class: "room-title" }, h("h1", {}), h("p", { class: "by muted" })),
    h("div", { class: "room-facts" },
      h("span", { class: "live" }, "Live"),
      count("viewers", "eye", "viewers"),
      count("guests", "people", "guests on stage"),
      h("button", { type: "button", class: "small with-icon", dataset: { testid: "share" } }, icon("link"), "Copy link")));
}

/**
 * @param {string} name
 * @param {string} picture
 * @param {string} what
 */
function count(name, picture, what) {
  return h("span", { class: `count ${name}`, title: what, dataset: { testid: `${name}-count` } },
    icon(picture), h("span", { class: "number" }), h("span", { class: "visually-hidden" }, ` ${what}`));
}
