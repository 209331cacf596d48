import { locale, texts } from "./texts.js";

/**
 * @typedef {import("../lib/statistics_digest.js").PathStatistics} PathStatistics
 * @typedef {import("../lib/statistics_digest.js").RoomStatistics} RoomStatistics
 * @typedef {import("../lib/statistics_digest.js").SourceStatistics} SourceStatistics
 * @typedef {{name: string, says: string, value: string}} Fact `name` is for programs
 */

const UNKNOWN = "–";

/**
 * @param {RoomStatistics} statistics
 * @returns {Fact[]} about the connection in all
 */
export function factsInAll({ up, down }) {
  const path = down ?? up;
  const values = {
    up: bitrate(up?.bitrateBps),
    down: bitrate(down?.bitrateBps),
    rtt: milliseconds(path?.rttMs),
    lossUp: percent(up?.loss),
    lossDown: percent(down?.loss),
    available: bitrate(up?.availableBps),
    way: path?.candidateType ? texts.statistics.way(texts.statistics.candidates[path.candidateType] ?? path.candidateType, (path.protocol ?? "").toUpperCase()) : UNKNOWN,
    server: path?.server ?? UNKNOWN,
  };
  return Object.entries(values).map(([name, value]) => ({ name, says: texts.statistics.inAll[/** @type {keyof typeof values} */ (name)], value }));
}

/**
 * @param {SourceStatistics} source
 * @returns {Fact[]}
 */
export function factsOfSource(source) {
  const { width, height } = source;
  const picture = source.kind === "video";
  const values = {
    codec: source.codec ?? UNKNOWN,
    resolution: picture && width && height ? `${width} × ${height}` : UNKNOWN,
    frames: picture && source.framesPerSecond !== null ? String(Math.round(source.framesPerSecond)) : UNKNOWN,
    bitrate: bitrate(source.bitrateBps),
    loss: percent(source.loss),
    jitter: milliseconds(source.jitterMs),
  };
  return Object.entries(values).map(([name, value]) => ({ name, says: texts.statistics.ofSource[/** @type {keyof typeof values} */ (name)], value }));
}

/** Facts that there are, in one line. @param {Fact[]} facts */
export function inOneLine(facts) {
  return facts.filter(({ value }) => value !== UNKNOWN).map(({ says, value }) => `${says} ${value}`).join(", ");
}

/** @param {number | null | undefined} bps */
function bitrate(bps) {
  if (bps === null || bps === undefined) return UNKNOWN;
  return bps < 1_000_000 ? texts.statistics.kbps(rounded(bps / 1000, 0)) : texts.statistics.mbps(rounded(bps / 1_000_000, 1));
}

/** @param {number | null | undefined} ms */
function milliseconds(ms) {
  return ms === null || ms === undefined ? UNKNOWN : `${rounded(ms, 0)} ms`;
}

/** @param {number | null | undefined} share */
function percent(share) {
  return share === null || share === undefined ? UNKNOWN : `${rounded(share * 100, 1)} %`;
}

/**
 * @param {number} value
 * @param {number} digits
 */
function rounded(value, digits) {
  return value.toLocaleString(locale, { maximumFractionDigits: digits });
}
