/** @typedef {import("./types.js").Counts} Counts */

/** Taps within this time go together. */
const GATHER_MS = 250;
/** The most that one message may say. */
const MAX_COUNT = 50;

/**
 * Own reactions: gathered for a moment, sent together, and told apart from those of others when the server tells of all.
 */
export class Taps {
  #send;
  /** @type {Map<string, {count: number, sent: Promise<void>}>} by type */
  #gathering = new Map();
  /** @type {Map<string, number>} own ones of which the server has not told yet */
  #untold = new Map();

  /** @param {(type: string, count: number) => Promise<unknown>} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * @param {string} type
   * @param {number} count
   * @returns {Promise<void>} once they are stored; rejects with a `GreenroomError`
   */
  add(type, count) {
    const open = this.#gathering.get(type);
    if (open && open.count + count <= MAX_COUNT) {
      open.count += count;
      return open.sent;
    }
    const gathered = { count, sent: Promise.resolve() };
    gathered.sent = this.#later(type, gathered);
    this.#gathering.set(type, gathered);
    return gathered.sent;
  }

  /**
   * @param {Counts} counts of everybody
   * @returns {Counts} without the own ones
   */
  withoutOwn(counts) {
    /** @type {Counts} */
    const others = {};
    for (const [type, count] of Object.entries(counts)) {
      const own = Math.min(count, this.#untold.get(type) ?? 0);
      this.#count(type, -own);
      if (count > own) others[type] = count - own;
    }
    return others;
  }

  /**
   * @param {string} type
   * @param {{count: number}} gathered
   */
  async #later(type, gathered) {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    if (this.#gathering.get(type) === gathered) this.#gathering.delete(type);
    const { count } = gathered;
    this.#count(type, count);
    try {
      await this.#send(type, count);
    } catch (error) {
      this.#count(type, -count);
      throw error;
    }
  }

  /**
   * @param {string} type
   * @param {number} change
   */
  #count(type, change) {
    this.#untold.set(type, Math.max(0, (this.#untold.get(type) ?? 0) + change));
  }
}
