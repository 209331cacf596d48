import { GreenroomError } from "./errors.js";

/**
 * @typedef {import("./types.js").Session} Session
 * @typedef {import("./types.js").Participant} Participant
 * @typedef {import("./types.js").ChatMessage} ChatMessage
 * @typedef {import("./types.js").SessionStats} SessionStats
 * @typedef {{session: Session, participant: Participant, ice_servers: RTCIceServer[], ws_path: string}} Joined
 * @typedef {{title: string, description?: string, session_type?: import("./types.js").SessionType}
 *   & Partial<import("./types.js").SessionSettings>} StartOptions
 */

const REQUEST_TIMEOUT_MS = 15_000;

/**
 * The REST routes of docs/API.md for what is done outside of a room: the verbs of those who are in one are methods of `Room`. Every
 * method rejects with a `GreenroomError`.
 */
export class Api {
  #base;
  #token;

  /**
   * @param {string} [base] origin of the server; empty for the page's own
   * @param {string | null | (() => string | Promise<string>)} [token] or what gives a fresh one for every call
   */
  constructor(base = "", token = null) {
    this.#base = base.replace(/\/$/, "");
    this.#token = token;
  }

  /** @param {string | null} token */
  setToken(token) {
    this.#token = token;
  }

  /**
   * @param {string} name
   * @returns {Promise<{token: string, user_id: string, name: string}>} rejects with `not_found` where the server has a secret
   */
  devToken(name) {
    return this.#call("POST", "/auth/dev-token", { name });
  }

  /**
   * @param {StartOptions} options
   * @returns {Promise<Joined>}
   */
  start(options) {
    return this.#call("POST", "/live/start", options);
  }

  /**
   * @param {string} sessionId
   * @returns {Promise<Joined>}
   */
  join(sessionId) {
    return this.#call("POST", "/live/join", { session_id: sessionId });
  }

  /**
   * @param {string} sessionId
   * @returns {Promise<{session: Session, stats: SessionStats}>}
   */
  end(sessionId) {
    return this.#call("POST", "/live/end", { session_id: sessionId });
  }

  /**
   * @param {{q?: string, order?: "started" | "viewers", cursor?: string | null, limit?: number}} [page] `cursor` is the
   *   `next_cursor` of the page before
   * @returns {Promise<{sessions: Session[], next_cursor: string | null}>}
   */
  active({ q = "", order = "started", cursor = null, limit = 50 } = {}) {
    const query = new URLSearchParams({ q, order, limit: String(limit) });
    if (cursor !== null) query.set("cursor", cursor);
    return this.#call("GET", `/live/active?${query}`);
  }

  /**
   * @param {string} sessionId
   * @returns {Promise<{session: Session}>}
   */
  session(sessionId) {
    return this.#call("GET", of(sessionId));
  }

  /**
   * What came of a session until now, live or ended.
   *
   * @param {string} sessionId
   * @returns {Promise<{stats: SessionStats}>}
   */
  sessionStats(sessionId) {
    return this.#call("GET", `${of(sessionId)}/stats`);
  }

  /**
   * @param {string} sessionId
   * @param {{after?: number, limit?: number}} [page] `after` is the `next_after` of the page before
   * @returns {Promise<{events: import("./types.js").TimelineEvent[], next_after: number, more: boolean}>} for the host, and cohosts
   *   while they are in
   */
  timeline(sessionId, { after = 0, limit = 100 } = {}) {
    return this.#call("GET", `${of(sessionId)}/timeline?after=${after}&limit=${limit}`);
  }

  /**
   * A token for one session that counts for a few minutes: for oneself, or for somebody without an account (host and cohosts).
   *
   * @param {string} sessionId
   * @param {{userId?: string, name?: string}} [guest]
   * @returns {Promise<{token: string, session_id: string, user_id: string, name: string, expires_at: string, ws_path: string}>}
   */
  joinToken(sessionId, { userId, name } = {}) {
    return this.#call("POST", "/live/join-token", { session_id: sessionId, user_id: userId, name });
  }

  /**
   * A page of the chat, oldest first: the newest one, or what is just older or newer than a position.
   *
   * @param {string} sessionId
   * @param {{before?: number, after?: number, limit?: number}} [page]
   * @returns {Promise<{messages: ChatMessage[], more: boolean}>}
   */
  messages(sessionId, { before, after, limit = 50 } = {}) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (before !== undefined) query.set("before", String(before));
    if (after !== undefined) query.set("after", String(after));
    return this.#call("GET", `${of(sessionId)}/messages?${query}`);
  }

  /** @returns {Promise<{gifts: import("./types.js").CatalogueGift[]}>} what can be given, the cheapest first */
  gifts() {
    return this.#call("GET", "/live/gifts");
  }

  /**
   * @param {string} sessionId
   * @returns {Promise<{gifts: number, value: number, senders: {user_id: string, name: string, gifts: number, value: number}[]}>}
   */
  sessionGifts(sessionId) {
    return this.#call("GET", `${of(sessionId)}/gifts`);
  }

  /**
   * @param {string} sessionId
   * @returns {Promise<{bans: import("./types.js").Ban[]}>} newest first; host and cohosts
   */
  bans(sessionId) {
    return this.#call("GET", `${of(sessionId)}/bans`);
  }

  async #currentToken() {
    try {
      return typeof this.#token === "function" ? await this.#token() : this.#token;
    } catch (error) {
      throw new GreenroomError("token_unavailable", String(/** @type {any} */ (error)?.message ?? error));
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async #call(method, path, body) {
    /** @type {Record<string, string>} */
    const headers = {};
    const token = await this.#currentToken();
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(this.#base + path, {
        method,
        headers,
        body: body && JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
    } catch (cause) {
      const timedOut = cause instanceof DOMException && cause.name === "TimeoutError";
      throw timedOut
        ? new GreenroomError("timeout", "The server did not answer in time.")
        : new GreenroomError("network", "The server cannot be reached.");
    }
    const answer = await response.json().catch(() => null);
    if (response.ok && answer) return answer;
    const { code = `http_${response.status}`, message = `The server answered ${response.status}.`, details } =
      answer?.error ?? {};
    const retryAfterS = Number(response.headers.get("Retry-After")) || undefined;
    throw new GreenroomError(code, message, { status: response.status, details, retryAfterS });
  }
}

/** @param {string} sessionId */
function of(sessionId) {
  return `/live/sessions/${encodeURIComponent(sessionId)}`;
}
