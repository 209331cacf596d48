/**
 * Which sources the caller does not want now. The server is told what changes; it remembers through lost connections, but for a
 * `welcome` that is not resumed.
 */
export class Subscriptions {
  /** @type {Set<string>} producer ids */
  #unwanted = new Set();
  /** What the server was told last, by producer id; what is not here is forwarded. @type {Map<string, boolean>} */
  #told = new Map();
  #send;

  /** @param {(producerId: string, paused: boolean) => Promise<unknown>} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * @param {string} producerId
   * @param {boolean} paused
   * @returns {Promise<void>} rejects with a `GreenroomError`; after a lost connection it is told again by itself
   */
  async set(producerId, paused) {
    if (paused) this.#unwanted.add(producerId);
    else this.#unwanted.delete(producerId);
    if ((this.#told.get(producerId) ?? false) !== paused) await this.#tell(producerId, paused);
  }

  /** @param {string} producerId whether its packets are not wanted now */
  isPaused(producerId) {
    return this.#unwanted.has(producerId);
  }

  /**
   * After a `welcome`.
   *
   * @param {boolean} resumed whether the server still knows
   */
  resume(resumed) {
    if (!resumed) this.#told.clear();
    // What was on its way when the connection broke may have arrived or not.
    const unsure = [...this.#told.keys(), ...this.#unwanted].filter((id) => this.#told.get(id) !== this.#unwanted.has(id));
    for (const id of new Set(unsure)) this.#tell(id, this.#unwanted.has(id)).catch(() => {});
  }

  /**
   * @param {string} producerId
   * @param {boolean} paused
   */
  async #tell(producerId, paused) {
    this.#told.set(producerId, paused);
    try {
      await this.#send(producerId, paused);
    } catch (error) {
      this.#failed(producerId, paused, /** @type {import("./errors.js").GreenroomError} */ (error).code);
      throw error;
    }
  }

  /**
   * @param {string} producerId
   * @param {boolean} paused
   * @param {string} code
   */
  #failed(producerId, paused, code) {
    if (code === "unknown_producer") {
      this.#told.delete(producerId);
      this.#unwanted.delete(producerId);
    } else if (this.#told.get(producerId) === paused) {
      this.#told.set(producerId, !paused);
    }
  }
}
