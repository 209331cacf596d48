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
