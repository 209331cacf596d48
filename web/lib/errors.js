/** An error that the server reported, or that the client found. `code` is stable and meant for programs. */
export class GreenroomError extends Error {
  /**
   * @param {string} code one of docs/API.md, or `network`, `timeout`, `not_connected`, `connection_lost`
   * @param {string} message a sentence for people
   * @param {{status?: number, details?: any, retryAfterS?: number}} [more]
   */
  constructor(code, message, more = {}) {
    super(message);
    this.name = "GreenroomError";
    this.code = code;
    /** HTTP status, where the error came from the REST API. */
    this.status = more.status;
    this.details = more.details;
    /** Seconds after which the same may work, for what passes by itself. */
    this.retryAfterS = more.retryAfterS;
  }
}

/**
 * @param {unknown} error
 * @returns {string} its stable code, or `unknown`
 */
export function errorCode(error) {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
}
