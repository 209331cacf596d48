import { GreenroomError } from "./errors.js";

/**
 * @typedef {import("./chat_log.js").Draft} Draft
 * @typedef {import("./types.js").ChatMessage} ChatMessage
 */

/** The same message, with the same `client_id`, is worth another attempt after these. */
const PASSING = new Set(["database_unavailable", "rate_limited", "internal_error", "timeout", "not_connected", "connection_lost"]);
/** These wait for the next `welcome` rather than for a time. */
const DISCONNECTED = new Set(["not_connected", "connection_lost"]);
const RETRY_MS = 2_000;
const MAX_LENGTH = 500;

/**
 * Own chat messages on their way: sent one after another, and again when their reply was lost or the database was away.
 */
export class Outbox {
  #log;
  #send;
  /** @type {Map<string, {resolve: (message: ChatMessage) => void, reject: (error: Error) => void}>} by client id */
  #waiting = new Map();
  #busy = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {import("./chat_log.js").ChatLog} log
   * @param {(text: string, clientId: string) => Promise<ChatMessage>} send
   */
  constructor(log, send) {
    this.#log = log;
    this.#send = send;
  }

  /**
   * @param {string} text
   * @returns {Promise<ChatMessage>} once it is stored; rejects with a `GreenroomError` when it was refused for good
   */
  add(text) {
    const trimmed = text.trim();
    if (!trimmed || [...trimmed].length > MAX_LENGTH) {
      return Promise.reject(new GreenroomError("invalid_request", `A message has 1 to ${MAX_LENGTH} characters.`));
    }
    const clientId = randomId();
    const stored = this.#promise(clientId);
    this.#log.putDraft({ clientId, text: trimmed, createdAt: new Date().toISOString(), status: "sending", error: null });
    this.#start();
    return stored;
  }

  /**
   * Sends one that failed again.
   *
   * @param {string} clientId
   * @returns {Promise<ChatMessage>} as `add`
   */
  retry(clientId) {
    const draft = this.#log.drafts.find((one) => one.clientId === clientId);
    if (!draft) return Promise.reject(new GreenroomError("message_not_found", "There is no such message."));
    const stored = this.#promise(clientId);
    this.#log.putDraft({ ...draft, status: "sending", error: null });
    this.#start();
    return stored;
  }

  /** @param {string} clientId of one that failed */
  discard(clientId) {
    this.#log.dropDraft(clientId);
  }

  /** Goes on at once, after `welcome`. */
  resume() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#start();
  }

  /** @param {ChatMessage} message one that the server told of, perhaps the own one whose reply was lost */
  stored(message) {
    if (!message.client_id) return;
    this.#log.dropDraft(message.client_id);
    this.#waiting.get(message.client_id)?.resolve(message);
    this.#waiting.delete(message.client_id);
  }

  /** The room is closed: nothing will be sent any more. @param {GreenroomError} error */
  close(error) {
    clearTimeout(this.#timer);
    for (const draft of this.#log.drafts.filter(({ status }) => status === "sending")) this.#fail(draft, error);
  }

  /** Nothing overtakes a message that waits for its next attempt. */
  #start() {
    if (!this.#busy && this.#timer === undefined) this.#next();
  }

  async #next() {
    const draft = this.#log.drafts.find(({ status }) => status === "sending");
    if (!draft) return;
    this.#busy = true;
    /** @type {GreenroomError | null} */
    let failure = null;
    try {
      this.stored(await this.#send(draft.text, draft.clientId));
    } catch (error) {
      failure = /** @type {GreenroomError} */ (error);
    }
    this.#busy = false;
    if (failure && PASSING.has(failure.code)) this.#later(failure);
    else {
      if (failure) this.#fail(draft, failure);
      this.#next();
    }
  }

  /** @param {GreenroomError} failure */
  #later(failure) {
    if (DISCONNECTED.has(failure.code)) return;
    const ms = (failure.retryAfterS ?? 0) * 1000 || RETRY_MS;
    this.#timer = setTimeout(() => this.resume(), ms);
  }

  /**
   * @param {Draft} draft
   * @param {GreenroomError} error
   */
  #fail(draft, error) {
    // The server may have told of it meanwhile: then it is stored, whatever became of the reply.
    if (this.#log.drafts.includes(draft)) this.#log.putDraft({ ...draft, status: "failed", error });
    this.#waiting.get(draft.clientId)?.reject(error);
    this.#waiting.delete(draft.clientId);
  }

  /**
   * @param {string} clientId
   * @returns {Promise<ChatMessage>}
   */
  #promise(clientId) {
    return new Promise((resolve, reject) => this.#waiting.set(clientId, { resolve, reject }));
  }
}

/** 32 letters and digits; `crypto.randomUUID` exists on https pages only. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
