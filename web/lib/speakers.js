import { LevelMeter } from "./level_meter.js";

/**
 * @typedef {import("./receive.js").ReceivedTrack} ReceivedTrack
 * @typedef {import("./room.js").Room} Room
 */

const EVERY_MS = 100;
/** -45 dBov: quiet speech is louder, a room after the browser's noise suppression is not. */
const LOUD = 10 ** (-45 / 20);
/** A cough is over sooner. */
const TURNS_TO_BEGIN = 2;
/** Pauses within a sentence are shorter. */
const SILENCE_MS = 900;

/** Whether one person speaks, from how loud they are every 100 ms. */
export class Voice {
  level = 0;
  #loudTurns = 0;
  #lastLoud = -Infinity;
  #speaking = false;

  /**
   * @param {number} level 0 to 1, linear
   * @param {number} now ms
   */
  hear(level, now) {
    this.level = level;
    const loud = level >= LOUD;
    this.#loudTurns = loud ? this.#loudTurns + 1 : Math.max(0, this.#loudTurns - 1);
    if (loud) this.#lastLoud = now;
    this.#loudTurns = Math.min(this.#loudTurns, TURNS_TO_BEGIN);
    if (this.#loudTurns === TURNS_TO_BEGIN) this.#speaking = true;
    else if (now - this.#lastLoud > SILENCE_MS) this.#speaking = false;
    return this.#speaking;
  }
}

/**
 * Who speaks now, the caller among them. Levels come with the packets (RFC 6464) and are read ten times a second; where a publisher sends none
 * they come from the statistics, once a second. Nothing is read while the page is hidden. Browsers know levels of what is played only.
 *
 * Event `change`: `current` is another.
 */
export class Speakers extends EventTarget {
  /** @type {readonly string[]} participant ids, the loudest first at the time of the last change */
  current = [];
  #room;
  /** @type {Map<string, Voice>} by participant id */
  #voices = new Map();
  /** @type {LevelMeter | null} */
  #own = null;
  /** @type {Map<string, number>} the RTP time of the last packet that was read, by producer id */
  #packets = new Map();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #unwatchStatistics = () => {};
  #watchesStatistics = false;
  #check = () => this.#startOrStop();

  /** @param {Room} room */
  constructor(room) {
    super();
    this.#room = room;
    for (const type of /** @type {const} */ (["change", "status"])) room.addEventListener(type, this.#check);
    globalThis.document?.addEventListener("visibilitychange", this.#check);
    this.#check();
  }

  #startOrStop() {
    const { status, state } = this.#room;
    if (status === "closed") globalThis.document?.removeEventListener("visibilitychange", this.#check);
    const anybody = status !== "closed" && state.onStage.some(({ sources }) => sources.some(({ source }) => source === "microphone"));
    if (!anybody || globalThis.document?.hidden) this.#stop();
    else this.#timer ??= setInterval(() => this.#listen(), EVERY_MS);
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#voices.clear();
    this.#packets.clear();
    this.#own?.close();
    this.#own = null;
    this.#needStatistics(false);
    this.#set([]);
  }

  #listen() {
    const now = performance.now();
    const { state, receiver } = this.#room;
    /** @type {Map<string, number>} */
    const levels = new Map();
    let untold = false;
    for (const received of receiver.tracks.values()) {
      if (received.source !== "microphone" || this.#silent(received)) continue;
      const level = this.#levelOf(received);
      untold ||= level === null;
      levels.set(received.participantId, level ?? this.#room.statistics.levelOf(received.producerId));
    }
    if (state.you) levels.set(state.you.id, this.#ownLevel());
    this.#needStatistics(untold);
    this.#hear(levels, now);
  }

  /**
   * @param {Map<string, number>} levels by participant id
   * @param {number} now
   */
  #hear(levels, now) {
    for (const id of [...this.#voices.keys()]) if (!levels.has(id)) this.#voices.delete(id);
    const speaking = [];
    for (const [id, level] of levels) {
      const voice = this.#voices.get(id) ?? new Voice();
      this.#voices.set(id, voice);
      if (voice.hear(level, now)) speaking.push({ id, level });
    }
    speaking.sort((a, b) => b.level - a.level);
    this.#set(speaking.map(({ id }) => id));
  }

  /** @param {ReceivedTrack} received */
  #silent({ participantId, producerId }) {
    const participant = this.#room.state.participants.get(participantId);
    return participant?.sources.some((source) => source.producer_id === producerId && source.paused) ?? true;
  }

  /**
   * @param {ReceivedTrack} received
   * @returns {number | null} null: its packets do not say
   */
  #levelOf({ producerId, receiver }) {
    // A section that was somebody else's before still names their stream for a while.
    const [latest] = receiver.getSynchronizationSources().sort((a, b) => b.timestamp - a.timestamp);
    if (!latest) return 0;
    // The last packet is named for ten seconds after the stream has stopped.
    const fresh = this.#packets.get(producerId) !== latest.rtpTimestamp;
    this.#packets.set(producerId, latest.rtpTimestamp);
    if (latest.audioLevel === undefined || latest.audioLevel === null) return null;
    return fresh ? latest.audioLevel : 0;
  }

  #ownLevel() {
    const track = this.#room.publisher.track("microphone");
    if (this.#own?.track !== track) {
      this.#own?.close();
      this.#own = track && new LevelMeter(track);
    }
    return this.#own?.read() ?? 0;
  }

  /** @param {boolean} needed */
  #needStatistics(needed) {
    if (needed === this.#watchesStatistics) return;
    this.#watchesStatistics = needed;
    this.#unwatchStatistics();
    this.#unwatchStatistics = needed ? this.#room.statistics.watch(() => {}, 1_000) : () => {};
  }

  /** @param {string[]} speaking */
  #set(speaking) {
    if (speaking.length === this.current.length && speaking.every((id) => this.current.includes(id))) return;
    this.current = speaking;
    this.dispatchEvent(new Event("change"));
  }
}
