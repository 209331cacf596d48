import { GreenroomError } from "./errors.js";
import { watchNetwork } from "./network.js";

/**
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Welcome} Welcome
 * @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "closed"} Status
 * @typedef {{status: Status, code?: number, reason?: string, message?: string, retryInMs?: number}} StatusDetail
 * @typedef {{code: number, reason: string, message?: string, patienceMs?: number}} Loss `patienceMs`: shortest wait before coming back
 * @typedef {{resolve: (reply: any) => void, reject: (error: Error) => void, timer: ReturnType<typeof setTimeout>}} Pending
 */

export const PROTOCOL_VERSION = 1;
const SUBPROTOCOL = "greenroom.v1";

/** Close codes after which a client does not come back by itself (docs/PROTOCOL.md, "Close codes"). */
export const FINAL_CLOSE_CODES = new Map([
  [1000, "left"],
  [4400, "bad_message"],
  [4401, "token_invalid"],
  [4403, "kicked"],
  [4404, "session_not_found"],
  [4406, "unsupported_protocol"],
  [4409, "replaced"],
  [4410, "session_ended"],
]);

/** Shortest wait before coming back after these codes: the server has asked for less. */
const PATIENT_CLOSE_CODES = new Map([
  [1009, 5_000],
  [4429, 5_000],
]);

/** Errors in place of a `welcome` that are worth another attempt. */
const PASSING_ERRORS = new Set(["database_unavailable", "issuer_unavailable", "media_unavailable", "rate_limited", "internal_error"]);

/** @typedef {typeof TIMES} Times */
export const TIMES = {
  /** First wait before a new attempt; doubles up to `retryMaxMs`, minus up to a half at random so that a room's clients do not come back in step. */
  retryMs: 500,
  retryMaxMs: 10_000,
  /** From opening the socket to `welcome`; the server allows 10 s for `hello`. */
  connectMs: 10_000,
  requestMs: 15_000,
  /** A socket whose peer is gone stays open for minutes unless something is sent and missed. */
  pingEveryMs: 10_000,
  pongWithinMs: 8_000,
};

/**
 * The WebSocket of one session: handshake, requests with replies, reconnecting and resuming.
 *
 * Events: `status` (detail `StatusDetail`), `welcome` (detail `Welcome`), `message` (detail `Message`, whatever is no reply).
 */
export class Signaling extends EventTarget {
  /** @type {Status} */
  status = "idle";
  /** @type {WebSocket | null} */
  #socket = null;
  #url = "";
  /** @type {() => string | Promise<string>} */
  #token = () => "";
  /** @type {string | undefined} */
  #resumeToken;
  #attempt = 0;
  /** Only the latest attempt counts: one may still wait for its token when the next begins. */
  #dials = 0;
  #lastId = 0;
  /** @type {Map<string, Pending>} */
  #pending = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchdog;
  /** @type {Times} */
  #times;
  #unwatchNetwork = () => {};

  /** @param {Partial<Times>} [times] */
  constructor(times = {}) {
    super();
    this.#times = { ...TIMES, ...times };
  }

  /**
   * Opens the socket and keeps it open until `close()` or a final close code.
   *
   * @param {string} url `ws(s)://host/ws/live/{session_id}`
   * @param {string | (() => string | Promise<string>)} token the JWT, or what gives a fresh one for every attempt
   */
  open(url, token) {
    if (this.status !== "idle") throw new GreenroomError("already_open", "This room was opened before.");
    this.#url = url;
    this.#token = typeof token === "function" ? token : () => token;
    this.#unwatchNetwork = watchNetwork({
      lost: () => this.#networkLost(), back: () => this.#reconnectNow(), looked: () => this.#lookedAt(),
    });
    this.#setStatus({ status: "connecting" });
    this.#dial();
  }

  get connected() {
    return this.status === "connected";
  }

  /**
   * @param {string} type
   * @param {object} [members]
   * @returns {Promise<any>} the reply; rejects with a `GreenroomError`
   */
  request(type, members = {}) {
    if (!this.connected) {
      return Promise.reject(new GreenroomError("not_connected", "There is no connection to the server now."));
    }
    const id = String(++this.#lastId);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new GreenroomError("timeout", "The server did not answer in time."));
      }, this.#times.requestMs);
      this.#pending.set(id, { resolve, reject, timer });
      this.#send({ type, id, ...members });
    });
  }

  /** Closes the socket for good, without leaving the session. */
  close() {
    this.#finish({ status: "closed", code: 1000, reason: "closed_by_client" });
  }

  /** @param {object} message */
  #send(message) {
    // What the server has closed takes nothing any more, and says so on the console; `#lost` rejects what waits for replies.
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  async #dial() {
    const dial = ++this.#dials;
    const current = () => dial === this.#dials && this.status !== "closed";
    let token;
    try {
      token = await this.#token();
    } catch (error) {
      if (current()) this.#scheduleRetry({ code: 0, reason: "token_unavailable", message: String(/** @type {any} */ (error)?.message ?? error) });
      return;
    }
    if (!current()) return;
    const socket = this.#createSocket();
    if (!socket) return;
    this.#socket = socket;
    this.#watch(this.#times.connectMs, () => this.#drop(socket, { reason: "connect_timeout" }));
    const hello = { type: "hello", protocol: PROTOCOL_VERSION, token, resume: this.#resumeToken };
    socket.onopen = () => socket.send(JSON.stringify(hello));
    socket.onmessage = (event) => this.#receive(socket, event.data);
    socket.onclose = ({ code, reason }) => this.#lost(socket, { code, reason });
  }

  #createSocket() {
    try {
      return new WebSocket(this.#url, SUBPROTOCOL);
    } catch {
      // No other attempt would fare better: for instance ws:// from a page that came by https.
      this.#finish({ status: "closed", code: 4000, reason: "invalid_address", message: "This page cannot connect to that address." });
      return null;
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {unknown} data
   */
  #receive(socket, data) {
    if (socket !== this.#socket) return;
    if (this.connected) this.#expectTraffic(socket);
    const message = parse(data);
    if (!message) return;
    if (message.type === "welcome") {
      this.#welcomed(socket, /** @type {Welcome} */ (/** @type {unknown} */ (message)));
    } else if (typeof message.id === "string") {
      this.#settle(message);
    } else if (message.type === "error" && !this.connected) {
      this.#refused(socket, message);
    } else {
      this.dispatchEvent(new CustomEvent("message", { detail: message }));
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {Welcome} welcome
   */
  #welcomed(socket, welcome) {
    this.#attempt = 0;
    this.#resumeToken = welcome.resume_token;
    this.#expectTraffic(socket);
    this.#setStatus({ status: "connected" });
    this.dispatchEvent(new CustomEvent("welcome", { detail: welcome }));
  }

  /**
   * `hello` was answered with an error, for instance `session_full`.
   *
   * @param {WebSocket} socket
   * @param {Message} error
   */
  #refused(socket, error) {
    const { code: reason, message } = error;
    if (PASSING_ERRORS.has(reason)) this.#drop(socket, { reason, message, patienceMs: (error.retry_after_s ?? 0) * 1000 });
    else this.#finish({ status: "closed", code: 4000, reason, message });
  }

  /** @param {Message} message */
  #settle(message) {
    const id = String(message.id);
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (message.type === "error") pending.reject(toError(message));
    else pending.resolve(message);
  }

  /** @param {WebSocket} socket */
  #expectTraffic(socket) {
    this.#watch(this.#times.pingEveryMs, () => this.#ping(socket));
  }

  /** @param {WebSocket} socket */
  #ping(socket) {
    this.#send({ type: "ping", id: String(++this.#lastId) });
    this.#watch(this.#times.pongWithinMs, () => this.#drop(socket, { reason: "silence" }));
  }

  /** A phone that was put away may have lost its socket without being told. */
  #lookedAt() {
    if (this.#socket && this.connected) this.#ping(this.#socket);
  }

  /**
   * @param {number} ms
   * @param {() => void} action
   */
  #watch(ms, action) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(action, ms);
  }

  /**
   * Gives a socket up without waiting for its close handshake, which a dead network never finishes.
   *
   * @param {WebSocket} socket
   * @param {Omit<Loss, "code">} loss
   */
  #drop(socket, loss) {
    socket.close();
    this.#lost(socket, { code: 1006, ...loss });
  }

  /**
   * @param {WebSocket} socket
   * @param {Loss} loss
   */
  #lost(socket, loss) {
    const { code, reason } = loss;
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#watchdog);
    this.#rejectPending();
    const finalReason = FINAL_CLOSE_CODES.get(code);
    if (finalReason) this.#finish({ status: "closed", code, reason: reason || finalReason });
    else this.#scheduleRetry(loss);
  }

  /** @param {Loss} loss */
  #scheduleRetry({ code, reason, message, patienceMs = PATIENT_CLOSE_CODES.get(code) ?? 0 }) {
    const { retryMs, retryMaxMs } = this.#times;
    const ceiling = Math.min(retryMaxMs, retryMs * 2 ** this.#attempt++);
    const retryInMs = patienceMs + ceiling * (0.5 + Math.random() / 2);
    this.#retryTimer = setTimeout(() => this.#dial(), retryInMs);
    this.#setStatus({ status: "reconnecting", code, reason, message, retryInMs });
  }

  /** The network is back. An attempt that began without one would only find that out when its time is up. */
  #reconnectNow() {
    if (this.status !== "reconnecting") return;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#watchdog);
    this.#dial();
  }

  /** The browser says so many seconds before a ping would be missed. Where it errs, a server near by is back at the first attempt. */
  #networkLost() {
    if (this.#socket && this.connected) this.#drop(this.#socket, { reason: "offline" });
  }

  /** @param {StatusDetail} detail */
  #finish(detail) {
    if (this.status === "closed") return;
    this.#unwatchNetwork();
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null;
    this.#setStatus(detail);
    this.#rejectPending();
    socket?.close(1000);
  }

  #rejectPending() {
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject, timer } of lost) {
      clearTimeout(timer);
      reject(new GreenroomError("connection_lost", "The connection was lost before the server answered."));
    }
  }

  /** @param {StatusDetail} detail */
  #setStatus(detail) {
    this.status = detail.status;
    this.dispatchEvent(new CustomEvent("status", { detail }));
  }
}

/**
 * @param {unknown} data
 * @returns {Message | null} null where it is no message of the protocol
 */
function parse(data) {
  try {
    const message = JSON.parse(String(data));
    return typeof message?.type === "string" ? message : null;
  } catch {
    return null;
  }
}

/** @param {Message} message an `error` */
function toError({ code, message, details, retry_after_s: retryAfterS }) {
  return new GreenroomError(code, message, { details, retryAfterS });
}
