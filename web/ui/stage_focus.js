/**
 * Which tile is the large one, for this viewer alone: the one they pinned, else the screen that was shared last.
 */
export class StageFocus {
  /** @type {string | null} */
  #pinned = null;
  /** Screens that this viewer wants among the others. @type {Set<string>} */
  #returned = new Set();
  /** Screens in the order in which they came. @type {string[]} */
  #screens = [];

  /**
   * @param {{key: string, source: string}[]} tiles all of the stage
   * @returns {string | null} the large one's key; null: all are alike
   */
  choose(tiles) {
    const screens = tiles.filter(({ source }) => source === "screen").map(({ key }) => key);
    const before = this.#screens.filter((key) => screens.includes(key));
    this.#screens = [...before, ...screens.filter((key) => !before.includes(key))];
    for (const key of this.#returned) if (!screens.includes(key)) this.#returned.delete(key);
    if (this.#pinned && tiles.some(({ key }) => key === this.#pinned)) return this.#pinned;
    return this.#screens.findLast((key) => !this.#returned.has(key)) ?? null;
  }

  /** @param {string} key */
  isPinned(key) {
    return this.#pinned === key;
  }

  /** @param {string} key */
  pin(key) {
    this.#pinned = key;
    this.#returned.delete(key);
  }

  /** Puts the large tile among the others. @param {string} key */
  release(key) {
    if (this.#pinned === key) this.#pinned = null;
    if (this.#screens.includes(key)) this.#returned.add(key);
  }
}
