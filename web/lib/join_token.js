import { Api } from "./api.js";

/** Join tokens count for five minutes (`GREENROOM_JOIN_TOKEN_TTL_S`); who is in the session gets a new one for it. */
const RENEW_MS = 120_000;

/**
 * Keeps a join token fresh for as long as its bearer is in the session, so that a lost connection can come back at any time.
 *
 *     const pass = new JoinToken(sessionId, token);
 *     await room.connect(url, () => pass.token);
 */
export class JoinToken {
  /** The latest one. */
  token;
  #timer;

  /**
   * @param {string} sessionId
   * @param {string} token
   * @param {{server?: string, onRenewed?: (token: string) => void}} [options]
   */
  constructor(sessionId, token, { server = "", onRenewed = () => {} } = {}) {
    this.token = token;
    const api = new Api(server, () => this.token);
    this.#timer = setInterval(async () => {
      // One that fails leaves time for another before the old token has expired.
      const renewed = await api.joinToken(sessionId).catch(() => null);
      if (!renewed) return;
      this.token = renewed.token;
      onRenewed(renewed.token);
    }, RENEW_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }
}

/** @param {string} token whether it opens one session only, for a few minutes */
export function isJoinToken(token) {
  return typeof claimsOf(token).session === "string";
}

/**
 * What a token says. Nobody has verified it here: that is for the server.
 *
 * @param {string} token
 * @returns {Record<string, unknown>} nothing where it is no JWT
 */
export function claimsOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}
