import { Publisher } from "./publish.js";
import { Receiver } from "./receive.js";
import { Signaling } from "./signaling.js";
import { RoomState, isOnStage } from "./state.js";
import { GreenroomError } from "./errors.js";

/**
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Welcome} Welcome
 * @typedef {import("./types.js").Kind} Kind
 * @typedef {import("./types.js").Source} Source
 * @typedef {import("./types.js").ManageAction} ManageAction
 * @typedef {import("./signaling.js").StatusDetail} StatusDetail
 */

/**
 * One live session as its participant sees it: the socket, what is known of the room, and the two media connections.
 *
 * Events:
 * - `status` (detail `StatusDetail`): connecting, connected, reconnecting, closed
 * - `change` (detail: the message type that caused it): `state` has changed
 * - `trackadded`, `trackremoved` (detail `ReceivedTrack`)
 * - `rolechange` (detail `{from, to}`)
 * - `publisherror` (detail `Error`): the server refuses what is published
 * - `ended`, `kicked`, `error` (detail: the server's message)
 */
export class Room extends EventTarget {
  state = new RoomState();
  #signaling;
  #publisher;
  #receiver;
  /** @type {import("./types.js").Role | null} */
  #role = null;

  /** @param {Partial<import("./signaling.js").Times>} [times] */
  constructor(times) {
    super();
    this.#signaling = new Signaling(times);
    this.#publisher = new Publisher(this.#signaling);
    this.#receiver = new Receiver(this.#signaling);
    this.#signaling.addEventListener("status", (event) => this.#onStatus(detailOf(event)));
    this.#signaling.addEventListener("welcome", (event) => this.#onWelcome(detailOf(event)));
    this.#signaling.addEventListener("message", (event) => this.#onMessage(detailOf(event)));
    this.state.addEventListener("change", (event) => this.#onChange(detailOf(event)));
    this.#publisher.addEventListener("error", (event) => this.#emit("publisherror", detailOf(event)));
    for (const type of ["trackadded", "trackremoved"]) {
      this.#receiver.addEventListener(type, (event) => this.#emit(type, detailOf(event)));
    }
  }

  get status() {
    return this.#signaling.status;
  }

  get publisher() {
    return this.#publisher;
  }

  get receiver() {
    return this.#receiver;
  }

  /**
   * Joins the session and stays until `disconnect()` or a final close code, reconnecting by itself.
   *
   * @param {string} url `ws(s)://host/ws/live/{session_id}`
   * @param {string | (() => string | Promise<string>)} token
   * @returns {Promise<Welcome>} the first welcome; rejects with a `GreenroomError` whose code is the reason of the refusal
   */
  connect(url, token) {
    return new Promise((resolve, reject) => {
      this.#signaling.addEventListener("welcome", (event) => resolve(detailOf(event)), { once: true });
      this.#signaling.addEventListener("status", (event) => {
        const { status, reason = "closed" } = /** @type {StatusDetail} */ (detailOf(event));
        if (status === "closed") reject(new GreenroomError(reason, "The server closed the connection."));
      });
      this.#signaling.open(url, token);
    });
  }

  /** Closes everything on this side, without leaving the session. */
  disconnect() {
    this.#signaling.close();
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack | null} track null ends the source
   */
  async publish(source, track) {
    const done = this.#publisher.setTrack(source, track);
    this.#applyMute();
    await done;
  }

  /**
   * Mutes the own sources of a kind at the server, and silences the tracks so that nothing leaves this machine either.
   *
   * @param {Kind} kind
   * @param {boolean} muted
   */
  async setMuted(kind, muted) {
    if (muted) this.#enableTracks(kind, false);
    try {
      await this.#signaling.request("set_muted", { kind, muted });
      if (!muted) this.#enableTracks(kind, true);
    } catch (error) {
      this.#applyMute();
      throw error;
    }
  }

  /** @param {string} [message] */
  async requestGuest(message = "") {
    const { request } = await this.#signaling.request("request_guest", { message });
    this.state.apply({ type: "guest_request_created", request });
    return request;
  }

  cancelGuestRequest() {
    return this.#signaling.request("cancel_guest_request");
  }

  /**
   * @param {string} requestId
   * @param {boolean} approve
   */
  respondGuestRequest(requestId, approve) {
    return this.#signaling.request("respond_guest_request", { request_id: requestId, approve });
  }

  /**
   * @param {string} participantId
   * @param {ManageAction} action
   */
  manageParticipant(participantId, action) {
    return this.#signaling.request("manage_participant", { participant_id: participantId, action });
  }

  /**
   * @param {string} producerId
   * @param {boolean} paused whether its packets are not wanted now
   */
  setSubscription(producerId, paused) {
    return this.#signaling.request("set_subscription", { producer_id: producerId, paused });
  }

  leaveStage() {
    return this.#signaling.request("leave_stage");
  }

  leave() {
    return this.#signaling.request("leave");
  }

  end() {
    return this.#signaling.request("end");
  }

  stats() {
    return this.#signaling.request("get_stats");
  }

  /** @param {StatusDetail} detail */
  #onStatus(detail) {
    if (detail.status === "closed") {
      this.#publisher.setAllowed(false);
      this.#receiver.reset();
    }
    this.#emit("status", detail);
  }

  /** @param {Welcome} welcome */
  #onWelcome(welcome) {
    this.#publisher.setIceServers(welcome.ice_servers);
    this.#receiver.setIceServers(welcome.ice_servers);
    if (!welcome.resumed) {
      this.#receiver.reset();
      this.#publisher.setAllowed(false);
    }
    this.state.reset(welcome);
    this.#receiver.resume();
    this.#publisher.resume();
  }

  /** @param {Message} message */
  #onMessage(message) {
    const handler = MESSAGE_HANDLERS[message.type];
    if (handler) handler(this, message);
    else this.state.apply(message);
  }

  /** @param {string} what */
  #onChange(what) {
    const role = this.state.you?.role ?? null;
    const from = this.#role;
    this.#role = role;
    if (role) this.#publisher.setAllowed(isOnStage(role));
    this.#applyMute();
    if (role !== from) this.#emit("rolechange", { from, to: role });
    this.#emit("change", what);
  }

  #applyMute() {
    const { you } = this.state;
    if (!you) return;
    this.#enableTracks("audio", !you.audio_muted && !you.audio_locked);
    this.#enableTracks("video", !you.video_muted && !you.video_locked);
  }

  /**
   * @param {Kind} kind
   * @param {boolean} enabled
   */
  #enableTracks(kind, enabled) {
    for (const source of SOURCES_OF[kind]) {
      const track = this.#publisher.track(source);
      if (track) track.enabled = enabled;
    }
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @type {Record<string, (room: Room, message: Message) => void>} */
  static handlers = {
    receive_offer: (room, message) => void room.#receiver.handleOffer(message),
    media_reset: (room) => {
      room.#receiver.reset();
      room.#publisher.restart();
    },
    session_ended: (room, message) => room.#emit("ended", message),
    kicked: (room, message) => room.#emit("kicked", message),
    error: (room, message) => room.#emit("error", message),
  };
}

const MESSAGE_HANDLERS = Room.handlers;

/** @type {Record<Kind, Source[]>} */
const SOURCES_OF = { audio: ["microphone", "screen_audio"], video: ["camera", "screen"] };

/**
 * @param {Event} event
 * @returns {any}
 */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}
