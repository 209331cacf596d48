import { GreenroomError } from "./errors.js";
import { Outbox, randomId } from "./outbox.js";
import { RoomState } from "./state.js";
import { Subscriptions } from "./subscriptions.js";
import { Taps } from "./taps.js";

/**
 * @typedef {import("./types.js").Ban} Ban
 * @typedef {import("./types.js").ChatMessage} ChatMessage
 * @typedef {import("./types.js").Gift} Gift
 * @typedef {import("./types.js").GuestRequest} GuestRequest
 * @typedef {import("./types.js").ManageAction} ManageAction
 * @typedef {import("./types.js").SessionSettings} SessionSettings
 * @typedef {import("./events.js").RoomEvents} RoomEvents
 * @typedef {new () => import("./events.js").TypedTarget<RoomEvents>} RoomTarget
 */

/** A gift that is sent again with the same key is given once: worth it after these. */
const GIFT_UNCERTAIN = new Set(["payment_unavailable", "database_unavailable", "connection_lost", "not_connected", "timeout"]);
const GIFT_ATTEMPTS = 5;
const GIFT_RETRY_S = 2;

/**
 * What can be done in a room. Every method resolves when the server has done it and rejects with a `GreenroomError` otherwise;
 * its `code` is one of docs/API.md, and `retryAfterS` says when the same may work.
 */
export class Verbs extends /** @type {RoomTarget} */ (EventTarget) {
  state = new RoomState();
  #signaling;
  #outbox;
  #subscriptions = new Subscriptions((producerId, paused) => this.request("set_subscription", { producer_id: producerId, paused }));
  #taps;

  /** @param {import("./signaling.js").Signaling} signaling */
  constructor(signaling) {
    super();
    this.#signaling = signaling;
    this.#outbox = new Outbox(this.state.chat, async (text, clientId) => {
      const { message } = await this.request("send_message", { text, client_id: clientId });
      this.state.chat.add(message);
      return message;
    });
    this.#taps = new Taps((reaction, count) => this.request("react", { reaction, count }));
  }

  /** Own chat messages that are on their way. */
  get outbox() {
    return this.#outbox;
  }

  /** Which sources of others are not wanted now. */
  get subscriptions() {
    return this.#subscriptions;
  }

  /** Tells own reactions from those of others. */
  get taps() {
    return this.#taps;
  }

  /**
   * Any request of docs/PROTOCOL.md; those below are the usual ones.
   *
   * @param {string} type
   * @param {object} [members]
   * @returns {Promise<any>} the reply
   */
  request(type, members) {
    return this.#signaling.request(type, members);
  }

  /**
   * Writes in the chat. The message is in `state.chat.drafts` at once, and in `state.chat.messages` when it is stored. It is sent
   * again by itself after a lost connection and while the database is away.
   *
   * @param {string} text 1 to 500 characters
   * @returns {Promise<ChatMessage>} rejects with `chat_disabled`, `silenced` or `slow_mode` among others
   */
  sendMessage(text) {
    return this.#outbox.add(text);
  }

  /** @param {string} messageId one's own; anybody's for host and cohosts */
  deleteMessage(messageId) {
    return this.request("delete_message", { message_id: messageId });
  }

  /**
   * Reacts. What comes within a quarter of a second is sent together.
   *
   * @param {string} type `heart`, `fire`...
   * @param {number} [count]
   * @returns {Promise<void>}
   */
  react(type, count = 1) {
    return this.#taps.add(type, count);
  }

  /**
   * Gives something of the catalogue (`Api.gifts`). While it is not known whether it was paid for, the same is asked again, which never
   * gives it twice.
   *
   * @param {string} giftId
   * @param {number} [quantity]
   * @returns {Promise<Gift>} rejects with `payment_refused` or `gifts_disabled` among others
   */
  async sendGift(giftId, quantity = 1) {
    const wanted = { gift_id: giftId, quantity, key: randomId() };
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.request("send_gift", wanted)).gift;
      } catch (error) {
        const { code, retryAfterS = GIFT_RETRY_S } = /** @type {GreenroomError} */ (error);
        if (!GIFT_UNCERTAIN.has(code) || attempt === GIFT_ATTEMPTS || this.#signaling.status === "closed") throw error;
        await new Promise((resolve) => setTimeout(resolve, retryAfterS * 1000));
      }
    }
  }

  /**
   * Asks to come on stage.
   *
   * @param {string} [message] for the host
   * @returns {Promise<GuestRequest>} approved already where no approval is required
   */
  async requestToJoin(message = "") {
    return this.#requestCreated(await this.request("request_guest", { message }));
  }

  /** Takes the own request back. */
  cancelRequest() {
    return this.request("cancel_guest_request");
  }

  /** @param {string} requestId of somebody who asks to come on stage */
  approve(requestId) {
    return this.request("respond_guest_request", { request_id: requestId, approve: true });
  }

  /** @param {string} requestId of somebody who asks to come on stage; they may ask again after a while */
  reject(requestId) {
    return this.request("respond_guest_request", { request_id: requestId, approve: false });
  }

  /**
   * Approves requests, the oldest first, as many as there is room for.
   *
   * @returns {Promise<{answered: number, waiting: number}>}
   */
  approveAll() {
    return this.request("respond_all", { approve: true });
  }

  /** @returns {Promise<{answered: number, waiting: number}>} */
  rejectAll() {
    return this.request("respond_all", { approve: false });
  }

  /** Takes all requests back; everybody may ask again at once. */
  clearRequests() {
    return this.request("clear_requests");
  }

  /**
   * Asks a viewer on stage.
   *
   * @param {string} participantId
   * @returns {Promise<GuestRequest>}
   */
  async invite(participantId) {
    return this.#requestCreated(await this.request("invite_guest", { participant_id: participantId }));
  }

  /** @param {string} requestId of an invitation */
  cancelInvitation(requestId) {
    return this.request("cancel_invitation", { request_id: requestId });
  }

  /** @param {string} requestId of the own invitation */
  acceptInvitation(requestId) {
    return this.request("respond_invitation", { request_id: requestId, accept: true });
  }

  /** @param {string} requestId of the own invitation */
  declineInvitation(requestId) {
    return this.request("respond_invitation", { request_id: requestId, accept: false });
  }

  /** @param {Partial<SessionSettings>} settings those that change */
  updateSettings(settings) {
    return this.request("update_settings", { settings });
  }

  /**
   * @param {string} participantId
   * @param {ManageAction} action
   */
  manageParticipant(participantId, action) {
    return this.request("manage_participant", { participant_id: participantId, action });
  }

  /**
   * Locks the microphones of all guests, and for the host of the cohosts too.
   *
   * @param {{exceptCohosts?: boolean}} [options]
   * @returns {Promise<number>} how many were not muted before
   */
  async muteAll({ exceptCohosts = false } = {}) {
    return (await this.request("mute_all", { except_cohosts: exceptCohosts })).muted;
  }

  /**
   * Throws somebody out of all sessions of this host, now and later.
   *
   * @param {{participantId: string} | {userId: string}} who
   * @param {string} [reason]
   */
  ban(who, reason = "") {
    const whom = "participantId" in who ? { participant_id: who.participantId } : { user_id: who.userId };
    return this.request("ban", { ...whom, reason });
  }

  /** @param {string} userId */
  unban(userId) {
    return this.request("unban", { user_id: userId });
  }

  /**
   * Whether a source of somebody else is wanted now: a video that is not visible is not. Nothing is sent where the server knows, and it
   * holds through lost connections.
   *
   * @param {string} producerId
   * @param {boolean} paused whether its packets are not wanted
   */
  setSubscription(producerId, paused) {
    return this.#subscriptions.set(producerId, paused);
  }

  leaveStage() {
    return this.request("leave_stage");
  }

  leave() {
    return this.request("leave");
  }

  end() {
    return this.request("end");
  }

  /** @returns {Promise<{connections: any[]}>} what the server counts of the own two connections, as in docs/API.md */
  serverStatistics() {
    return this.request("get_stats");
  }

  /** @param {import("./types.js").Message} reply */
  #requestCreated({ request }) {
    this.state.apply({ type: "guest_request_created", request });
    return request;
  }
}
