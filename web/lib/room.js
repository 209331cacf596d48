import { addressOf } from "./address.js";
import { Api } from "./api.js";
import { OwnMedia } from "./own_media.js";
import { Publisher } from "./publish.js";
import { Quality } from "./quality.js";
import { Receiver } from "./receive.js";
import { Signaling } from "./signaling.js";
import { Speakers } from "./speakers.js";
import { isOnStage } from "./state.js";
import { Statistics } from "./statistics.js";
import { GreenroomError } from "./errors.js";
import { Verbs } from "./verbs.js";

/**
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Welcome} Welcome
 * @typedef {import("./types.js").Kind} Kind
 * @typedef {import("./types.js").Source} Source
 * @typedef {import("./events.js").RoomEvents} RoomEvents
 * @typedef {import("./signaling.js").StatusDetail} StatusDetail
 */

/** Credentials of TURN servers last 12 hours. */
const ICE_REFRESH_MS = 6 * 3600 * 1000;
const OLDER_MESSAGES = 50;

/**
 * One live session as its participant sees it: the socket, what is known of the room, and the two media connections.
 * Its events are `RoomEvents` of events.js.
 */
export class Room extends Verbs {
  #signaling;
  #api = new Api();
  #sessionId = "";
  /** @type {Promise<void> | null} */
  #older = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #iceTimer;
  #publisher;
  #receiver;
  #own;
  /** @type {Statistics | null} */
  #statistics = null;
  /** @type {Speakers | null} */
  #speakers = null;
  /** @type {Quality | null} */
  #quality = null;
  /** @type {import("./types.js").Role | null} */
  #role = null;
  /** @type {Set<Kind>} muted here; the server has not said so yet, and what else it says must not open them again */
  #muting = new Set();

  /** @param {Partial<import("./signaling.js").Times>} [times] */
  constructor(times) {
    const signaling = new Signaling(times);
    super(signaling);
    this.#signaling = signaling;
    this.#publisher = new Publisher(this.#signaling);
    this.#own = new OwnMedia(this.#publisher, (source) => this.#emit("unpublished", { source }));
    this.#receiver = new Receiver(this.#signaling);
    this.#signaling.addEventListener("status", (event) => this.#onStatus(detailOf(event)));
    this.#signaling.addEventListener("welcome", (event) => this.#onWelcome(detailOf(event)));
    this.#signaling.addEventListener("message", (event) => this.#onMessage(detailOf(event)));
    this.state.addEventListener("change", (event) => this.#onChange(detailOf(event)));
    this.state.chat.addEventListener("change", (event) => this.#emit("chat", detailOf(event)));
    this.#publisher.addEventListener("error", (event) => this.#emit("publisherror", detailOf(event)));
    this.#publisher.addEventListener("way", (event) => this.#emit("media", { direction: "up", connected: detailOf(event) }));
    this.#receiver.addEventListener("way", (event) => this.#emit("media", { direction: "down", connected: detailOf(event) }));
    this.#receiver.addEventListener("trackadded", (event) => this.#emit("trackadded", detailOf(event)));
    this.#receiver.addEventListener("trackremoved", (event) => this.#emit("trackremoved", detailOf(event)));
  }

  get status() {
    return this.#signaling.status;
  }

  /** The REST routes, with the same token. */
  get api() {
    return this.#api;
  }

  get publisher() {
    return this.#publisher;
  }

  get receiver() {
    return this.#receiver;
  }

  /** What the browser measures of the two media connections. Nothing is read before somebody asks, here and in the two below. */
  get statistics() {
    return (this.#statistics ??= new Statistics(this));
  }

  /** Who speaks now. */
  get speakers() {
    return (this.#speakers ??= new Speakers(this));
  }

  /** How good everybody's connection is. */
  get quality() {
    return (this.#quality ??= new Quality(this));
  }

  /**
   * Joins the session and stays until `disconnect()` or a final close code, reconnecting by itself.
   *
   * @param {string} url `ws(s)://host/ws/live/{session_id}`
   * @param {string | (() => string | Promise<string>)} token
   * @returns {Promise<Welcome>} the first welcome; rejects with a `GreenroomError` whose code is the reason of the refusal
   */
  async connect(url, token) {
    const address = addressOf(url);
    this.#signaling.open(url, token);
    this.#sessionId = decodeURIComponent(address.pathname.split("/").at(-1) ?? "");
    this.#api = new Api(address.origin.replace(/^ws/, "http"), token);
    return new Promise((resolve, reject) => {
      this.#signaling.addEventListener("welcome", (event) => resolve(detailOf(event)), { once: true });
      this.#signaling.addEventListener("status", (event) => {
        const { status, reason = "closed", message = "The server closed the connection." } = /** @type {StatusDetail} */ (detailOf(event));
        if (status === "closed") reject(new GreenroomError(reason, message));
      });
    });
  }

  /** Closes everything on this side, without leaving the session. */
  disconnect() {
    this.#signaling.close();
  }

  /**
   * Sends a source. Without a track the room opens the device itself, and closes it when the source ends or the stage is left. Camera and
   * microphone that are published in one go are one question to the user; a screen brings its sound along as `screen_audio`.
   *
   * @param {Source} source
   * @param {MediaStreamTrack} [track] an open one, in place of the one before; it is its owner who stops it
   * @returns {Promise<MediaStreamTrack>} what is sent, once the server has accepted it; rejects with a `GreenroomError`
   */
  publish(source, track) {
    return this.#own.publish(source, track);
  }

  /** @param {Source} source is no longer sent; with a screen that the room opened its sound ends too */
  unpublish(source) {
    return this.#own.unpublish(source);
  }

  /**
   * Mutes the own sources of a kind at the server, and silences the tracks so that nothing leaves this machine either.
   *
   * @param {Kind} kind
   */
  async mute(kind) {
    this.#muting.add(kind);
    this.#applyMute();
    await this.#setMuted(kind, true);
  }

  /** @param {Kind} kind rejects with `locked_by_host` while a host has muted it */
  async unmute(kind) {
    this.#muting.delete(kind);
    await this.#setMuted(kind, false);
    this.#own.enable(kind, true);
  }

  /**
   * Reads a page of older messages into `state.chat`.
   *
   * @returns {Promise<void>} rejects with a `GreenroomError`
   */
  loadOlderMessages() {
    this.#older ??= this.#loadOlder().finally(() => (this.#older = null));
    return this.#older;
  }

  /** @param {StatusDetail} detail */
  #onStatus(detail) {
    if (detail.status === "closed") {
      clearInterval(this.#iceTimer);
      this.#own.allow(false);
      this.#receiver.reset();
      this.outbox.close(new GreenroomError(detail.reason ?? "closed", "The session is closed."));
    }
    this.#emit("status", detail);
  }

  /** @param {Welcome} welcome */
  #onWelcome(welcome) {
    this.#setIceServers(welcome.ice_servers);
    if (!welcome.resumed) {
      this.#receiver.reset();
      this.#publisher.setAllowed(false);
    }
    this.state.reset(welcome);
    this.subscriptions.resume(welcome.resumed);
    this.#receiver.resume();
    this.#publisher.resume();
    for (const message of this.state.chat.messages) this.outbox.stored(message);
    this.outbox.resume();
  }

  /** @param {RTCIceServer[]} servers */
  #setIceServers(servers) {
    this.#publisher.setIceServers(servers);
    this.#receiver.setIceServers(servers);
    clearInterval(this.#iceTimer);
    if (servers.length > 0) this.#iceTimer = setInterval(() => this.#refreshIceServers(), ICE_REFRESH_MS);
  }

  async #refreshIceServers() {
    // Where it fails the next round, or the next `welcome`, brings new ones.
    const joined = await this.#api.join(this.#sessionId).catch(() => null);
    if (joined && this.status !== "closed") this.#setIceServers(joined.ice_servers);
  }

  /**
   * @param {Kind} kind
   * @param {boolean} muted
   */
  async #setMuted(kind, muted) {
    try {
      await this.#signaling.request("set_muted", { kind, muted });
    } catch (error) {
      this.#muting.delete(kind);
      this.#applyMute();
      throw error;
    }
  }

  async #loadOlder() {
    const { chat } = this.state;
    const before = chat.messages[0]?.position;
    if (!chat.more || before === undefined) return;
    const { messages, more } = await this.#api.messages(this.#sessionId, { before, limit: OLDER_MESSAGES });
    // A `welcome` may have replaced the messages meanwhile.
    if (chat.messages[0]?.position === before) chat.addOlder(messages, more);
  }

  /** @param {Message} message */
  #onMessage(message) {
    this.state.apply(message);
    MESSAGE_HANDLERS[message.type]?.(this, message);
  }

  /** @param {string} what */
  #onChange(what) {
    const role = this.state.you?.role ?? null;
    const from = this.#role;
    this.#role = role;
    if (role) this.#own.allow(isOnStage(role));
    this.#applyMute();
    if (role && role !== from) this.#emit("rolechange", { from, to: role });
    this.#emit("change", what);
  }

  #applyMute() {
    const { you } = this.state;
    if (!you) return;
    if (you.audio_muted) this.#muting.delete("audio");
    if (you.video_muted) this.#muting.delete("video");
    this.#own.enable("audio", !you.audio_muted && !you.audio_locked && !this.#muting.has("audio"));
    this.#own.enable("video", !you.video_muted && !you.video_locked && !this.#muting.has("video"));
  }

  /**
   * @template {keyof RoomEvents} Name
   * @param {Name} name
   * @param {RoomEvents[Name]} detail
   */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** @type {Record<string, (room: Room, message: any) => void>} */
  static handlers = {
    receive_offer: (room, message) => void room.#receiver.handleOffer(message),
    media_reset: (room) => {
      room.#receiver.reset();
      room.#publisher.restart();
    },
    message: (room, { message }) => room.outbox.stored(message),
    reactions: (room, { counts, totals }) => room.#emit("reactions", { counts, totals, others: room.taps.withoutOwn(counts) }),
    gift: (room, { gift }) => room.#emit("gift", gift),
    invited: (room, { request }) => room.#emit("invited", request),
    session_ended: (room, message) => room.#emit("ended", message),
    kicked: (room, message) => room.#emit("kicked", message),
    error: (room, message) => room.#emit("error", message),
  };
}

const MESSAGE_HANDLERS = Room.handlers;

/**
 * @param {Event} event
 * @returns {any}
 */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}
