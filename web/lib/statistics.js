import { digest, pick } from "./statistics_digest.js";

/**
 * @typedef {import("./room.js").Room} Room
 * @typedef {import("./statistics_digest.js").Owner} Owner
 * @typedef {import("./statistics_digest.js").Reading} Reading
 * @typedef {import("./statistics_digest.js").RoomStatistics} RoomStatistics
 * @typedef {{callback: (statistics: RoomStatistics) => void, everyMs: number, last: number}} Watcher
 */

/** Timers are not exact: a watcher is served when this share of its time has passed. */
const DUE = 0.8;

/**
 * What the browser measures of the two media connections: one reading for all who want to know, and none while the page is hidden.
 */
export class Statistics {
  /** @type {RoomStatistics | null} the last reading */
  latest = null;
  #room;
  /** @type {Set<Watcher>} */
  #watchers = new Set();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  /** @type {Promise<RoomStatistics> | null} */
  #reading = null;
  /** @type {WeakMap<RTCPeerConnection, Map<string, any>>} */
  #before = new WeakMap();
  #visibility = () => this.#schedule();

  /** @param {Room} room */
  constructor(room) {
    this.#room = room;
    room.addEventListener("status", () => room.status === "closed" && this.#close());
  }

  /**
   * Calls back with the statistics again and again. What is per time is since the reading before, and so null in the first.
   *
   * @param {(statistics: RoomStatistics) => void} callback
   * @param {number} [everyMs]
   * @returns {() => void} ends it
   */
  watch(callback, everyMs = 1_000) {
    const watcher = { callback, everyMs, last: -Infinity };
    this.#watchers.add(watcher);
    if (this.#watchers.size === 1) globalThis.document?.addEventListener("visibilitychange", this.#visibility);
    this.#schedule();
    return () => this.#unwatch(watcher);
  }

  /** @returns {Promise<RoomStatistics>} as they are now */
  read() {
    this.#reading ??= this.#read().finally(() => (this.#reading = null));
    return this.#reading;
  }

  /** How loud a received source was in the last reading, 0 to 1. @param {string} producerId */
  levelOf(producerId) {
    return this.latest?.sources.find((source) => source.producerId === producerId)?.level ?? 0;
  }

  /** @param {Watcher} watcher */
  #unwatch(watcher) {
    this.#watchers.delete(watcher);
    if (this.#watchers.size === 0) globalThis.document?.removeEventListener("visibilitychange", this.#visibility);
    this.#schedule();
  }

  #close() {
    for (const watcher of [...this.#watchers]) this.#unwatch(watcher);
  }

  #schedule() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#watchers.size === 0 || globalThis.document?.hidden) return;
    this.#timer = setInterval(() => this.#tell(), Math.min(...[...this.#watchers].map(({ everyMs }) => everyMs)));
    this.#tell();
  }

  async #tell() {
    const statistics = await this.read();
    const now = performance.now();
    for (const watcher of [...this.#watchers]) {
      if (now - watcher.last < watcher.everyMs * DUE) continue;
      watcher.last = now;
      watcher.callback(statistics);
    }
  }

  async #read() {
    const { publisher, receiver, state } = this.#room;
    const tracks = new Map([...receiver.tracks.values()].map((received) => [received.track.id, received]));
    const id = state.you?.id ?? "";
    const [up, down] = await Promise.all([
      this.#readingOf(publisher.pc, "up", ({ mid }) => {
        const source = publisher.sourceOf(mid);
        return source && { participantId: id, producerId: "", source };
      }),
      this.#readingOf(receiver.pc, "down", ({ trackIdentifier }) => {
        const received = tracks.get(trackIdentifier);
        return received ? { participantId: received.participantId, producerId: received.producerId, source: received.source } : null;
      }),
    ]);
    this.latest = digest(up, down, Date.now());
    return this.latest;
  }

  /**
   * @param {RTCPeerConnection | null} pc
   * @param {"up" | "down"} direction
   * @param {(report: any) => Owner | null} ownerOf
   * @returns {Promise<Reading | null>}
   */
  async #readingOf(pc, direction, ownerOf) {
    if (!pc || pc.connectionState === "closed") return null;
    const before = this.#before.get(pc) ?? new Map();
    // One that closes meanwhile has nothing to tell any more.
    const report = await pc.getStats().catch(() => null);
    if (!report) return null;
    const reports = pick(report);
    this.#before.set(pc, reports);
    return { state: pc.connectionState, direction, reports, before, ownerOf };
  }
}
