import { fillsScreen, floats } from "./stage_picture.js";

/** @typedef {import("./stage_tile.js").StageTile} StageTile */

/** Long enough that scrolling past and a glance at another window cost no new keyframes. */
const PAUSE_AFTER_MS = 1_000;

/**
 * Videos that nobody sees are not sent here: those of tiles scrolled off, behind one that fills the screen, and all of a page in the
 * background. What floats in a small window of its own is seen.
 */
export class StageVisibility {
  #room;
  /** @type {Map<Element, StageTile>} */
  #tiles = new Map();
  /** Elements of tiles that are scrolled off. @type {Set<Element>} */
  #away = new Set();
  /** Of tiles that are not seen; null: not for some time. @type {Map<StageTile, ReturnType<typeof setTimeout> | null>} */
  #timers = new Map();
  #observer = new IntersectionObserver((entries) => this.#moved(entries));
  #listeners = new AbortController();

  /** @param {import("../lib/index.js").Room} room */
  constructor(room) {
    this.#room = room;
    const options = { signal: this.#listeners.signal };
    for (const type of ["visibilitychange", "fullscreenchange"]) document.addEventListener(type, () => this.sync(), options);
  }

  dispose() {
    this.#listeners.abort();
    this.#observer.disconnect();
    for (const tile of [...this.#timers.keys()]) this.#stopWaiting(tile);
  }

  /** @param {StageTile} tile */
  add(tile) {
    this.#tiles.set(tile.element, tile);
    this.#observer.observe(tile.element);
    for (const type of ["enterpictureinpicture", "leavepictureinpicture"]) tile.video.addEventListener(type, () => this.sync());
  }

  /** @param {StageTile} tile */
  remove(tile) {
    this.#tiles.delete(tile.element);
    this.#away.delete(tile.element);
    this.#observer.unobserve(tile.element);
    this.#stopWaiting(tile);
  }

  /** To be called when tiles have other pictures than before. */
  sync() {
    for (const tile of this.#tiles.values()) {
      if (this.#isSeen(tile)) {
        this.#stopWaiting(tile);
        this.#tell(tile, false);
      } else if (!this.#timers.has(tile)) {
        this.#timers.set(tile, setTimeout(() => this.#waited(tile), PAUSE_AFTER_MS));
      } else if (this.#timers.get(tile) === null) {
        this.#tell(tile, true);
      }
    }
  }

  /** @param {StageTile} tile */
  #isSeen({ element, video }) {
    if (floats(video)) return true;
    if (document.hidden || this.#away.has(element)) return false;
    return !document.fullscreenElement || fillsScreen(element);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #moved(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.#away.delete(target);
      else this.#away.add(target);
    }
    this.sync();
  }

  /** @param {StageTile} tile */
  #waited(tile) {
    this.#timers.set(tile, null);
    this.#tell(tile, true);
  }

  /** @param {StageTile} tile */
  #stopWaiting(tile) {
    clearTimeout(this.#timers.get(tile) ?? undefined);
    this.#timers.delete(tile);
  }

  /**
   * @param {StageTile} tile
   * @param {boolean} paused
   */
  #tell({ tile: { producerId } }, paused) {
    // Where it fails, the next call tells it again.
    if (producerId !== null) this.#room.setSubscription(producerId, paused).catch(() => {});
  }
}
