/**
 * @typedef {import("./room.js").Room} Room
 * @typedef {import("./statistics_digest.js").PathStatistics} PathStatistics
 * @typedef {import("./statistics_digest.js").RoomStatistics} RoomStatistics
 * @typedef {import("./statistics_digest.js").SourceStatistics} SourceStatistics
 * @typedef {"good" | "fair" | "poor"} Grade
 */

const EVERY_MS = 2_000;
/** @type {Grade[]} */
const GRADES = ["good", "fair", "poor"];
/** The middle one of so many grades is shown: one bad moment changes nothing. */
const REMEMBERED = 3;

/**
 * From where on something is fair and poor. Loss: what remains after repetition; speech is disturbed from some 3 % on, and hard to follow from 8 %.
 * A picture also stands still where a computer is too slow: that has to be much before it counts against a connection. Round trip: ITU-T G.114 has talking people disturbed by more than 150 ms one way, and unable to talk by more than 400.
 *
 * @type {Record<"loss" | "frozen" | "concealed" | "rttMs", [number, number]>}
 */
const LIMITS = { loss: [0.025, 0.08], frozen: [0.2, 0.6], concealed: [0.04, 0.15], rttMs: [300, 800] };

/**
 * How good the connection of everybody on stage is, as far as it is noticed here: of others by what arrives from them, of the caller by both
 * directions. Read every two seconds, and not while the page is hidden.
 *
 * Event `change`: `of` says something else about somebody.
 */
export class Quality extends EventTarget {
  #room;
  /** @type {Map<string, Grade[]>} the last grades by participant id, the caller's too when they are not on stage */
  #history = new Map();
  /** @type {Map<string, Grade>} */
  #shown = new Map();

  /** @param {Room} room */
  constructor(room) {
    super();
    this.#room = room;
    room.statistics.watch((statistics) => this.#grade(statistics), EVERY_MS);
  }

  /**
   * @param {string} participantId
   * @returns {Grade | null} null: nothing is known yet
   */
  of(participantId) {
    return this.#shown.get(participantId) ?? null;
  }

  /** @param {RoomStatistics} statistics */
  #grade(statistics) {
    const { state } = this.#room;
    const grades = gradeEverybody(statistics, state.you?.id ?? "", (producerId) => isPaused(state.participants.values(), producerId));
    for (const id of [...this.#history.keys()]) if (!state.participants.has(id)) this.#history.delete(id);
    for (const [id, grade] of grades) this.#history.set(id, [...(this.#history.get(id) ?? []), grade].slice(-REMEMBERED));
    const shown = new Map([...this.#history].map(([id, grades]) => [id, middle(grades)]));
    const same = shown.size === this.#shown.size && [...shown].every(([id, grade]) => grade === this.#shown.get(id));
    this.#shown = shown;
    if (!same) this.dispatchEvent(new Event("change"));
  }
}

/**
 * @param {RoomStatistics} statistics
 * @param {string} ownId
 * @param {(producerId: string) => boolean} paused
 * @returns {Map<string, Grade>} by participant id; who cannot be judged yet is missing
 */
export function gradeEverybody({ up, down, sources }, ownId, paused) {
  /** @type {Map<string, Grade>} */
  const grades = new Map();
  const note = (/** @type {string} */ id, /** @type {Grade | null} */ grade) => {
    if (grade) grades.set(id, worse(grades.get(id) ?? "good", grade));
  };
  note(ownId, gradePath(up));
  note(ownId, gradePath(down));
  for (const source of sources) {
    if (source.own) note(ownId, source.limitedBy === "bandwidth" ? "fair" : null);
    else if (!paused(source.producerId)) note(source.participantId, gradeReceived(source));
  }
  return grades;
}

/** @param {PathStatistics | null} path */
function gradePath(path) {
  if (path?.state === "disconnected" || path?.state === "failed") return "poor";
  if (path?.state !== "connected" || path.bitrateBps === null) return null;
  return worse(gradeBy("loss", path.loss), gradeBy("rttMs", path.rttMs));
}

/** @param {SourceStatistics} source that is not muted */
function gradeReceived({ source, bitrateBps, loss, frozen, concealed }) {
  if (bitrateBps === null) return null;
  // A microphone sends even silence. A camera may be silent because this page does not show it now.
  if (bitrateBps === 0) return source === "microphone" ? "poor" : null;
  return [gradeBy("frozen", frozen), gradeBy("concealed", concealed)].reduce(worse, gradeBy("loss", loss));
}

/**
 * @param {keyof LIMITS} measure
 * @param {number | null} value
 * @returns {Grade}
 */
function gradeBy(measure, value) {
  const [fair, poor] = LIMITS[measure];
  return value === null || value < fair ? "good" : value < poor ? "fair" : "poor";
}

/**
 * @param {Grade} one
 * @param {Grade} other
 */
function worse(one, other) {
  return GRADES.indexOf(one) > GRADES.indexOf(other) ? one : other;
}

/** @param {Grade[]} grades the better one of two */
function middle(grades) {
  const sorted = grades.map((grade) => GRADES.indexOf(grade)).sort();
  return GRADES[sorted[Math.floor((sorted.length - 1) / 2)]];
}

/**
 * @param {Iterable<import("./types.js").Participant>} participants
 * @param {string} producerId
 */
function isPaused(participants, producerId) {
  for (const { sources } of participants) {
    const source = sources.find(({ producer_id }) => producer_id === producerId);
    if (source) return source.paused;
  }
  return false;
}
