/**
 * What the statistics of two peer connections (W3C webrtc-stats) mean for a room. Browsers leave out what they don't measure: that is null here.
 *
 * @typedef {import("./types.js").Source} Source
 * @typedef {import("./types.js").Kind} Kind
 *
 * @typedef {object} SourceStatistics
 * @property {string} participantId
 * @property {string} producerId empty for the own ones
 * @property {Source} source
 * @property {Kind} kind
 * @property {boolean} own sent by the caller
 * @property {string | null} codec `VP8`, `opus`...
 * @property {number | null} width pixels of the last frame
 * @property {number | null} height
 * @property {number | null} framesPerSecond
 * @property {number | null} bitrateBps since the reading before, as those below
 * @property {number | null} loss 0 to 1: packets that did not arrive, nor their repetitions
 * @property {number | null} jitterMs of the arrival of packets
 * @property {number | null} frozen 0 to 1: share of the time in which the picture stood still
 * @property {number | null} concealed 0 to 1: share of the sound that was made up for what was missing
 * @property {number | null} level 0 to 1: root mean square of the sound
 * @property {"none" | "cpu" | "bandwidth" | "other" | null} limitedBy what keeps the own picture small
 *
 * @typedef {object} PathStatistics one of the two connections
 * @property {RTCPeerConnectionState} state
 * @property {number | null} bitrateBps
 * @property {number | null} rttMs
 * @property {number | null} loss 0 to 1
 * @property {number | null} availableBps what congestion control lets this side send
 * @property {string | null} candidateType of this side: `host`, `srflx`, `prflx` or `relay`
 * @property {string | null} protocol `udp` or `tcp`; between this side and the relay where there is one
 * @property {string | null} server address and port
 *
 * @typedef {object} RoomStatistics
 * @property {number} at Unix time in ms
 * @property {PathStatistics | null} up null: nothing is published
 * @property {PathStatistics | null} down null: nothing is received
 * @property {SourceStatistics[]} sources own ones first
 *
 * @typedef {{participantId: string, producerId: string, source: Source}} Owner
 *
 * @typedef {object} Reading
 * @property {RTCPeerConnectionState} state
 * @property {"up" | "down"} direction
 * @property {Map<string, any>} reports what `pick` gave, by id
 * @property {Map<string, any>} before the same of the time before; empty at first
 * @property {(report: any) => Owner | null} ownerOf of an `inbound-rtp` or `outbound-rtp`
 */

const WANTED = new Set([
  "candidate-pair", "codec", "inbound-rtp", "local-candidate", "media-source", "outbound-rtp", "remote-candidate", "remote-inbound-rtp",
  "remote-outbound-rtp", "transport",
]);

/**
 * @param {RTCStatsReport} report
 * @returns {Map<string, any>} those that matter, by id
 */
export function pick(report) {
  /** @type {Map<string, any>} */
  const picked = new Map();
  for (const entry of /** @type {Iterable<any>} */ (/** @type {any} */ (report).values())) if (WANTED.has(entry.type)) picked.set(entry.id, entry);
  return picked;
}

/**
 * @param {Reading | null} up
 * @param {Reading | null} down
 * @param {number} at
 * @returns {RoomStatistics}
 */
export function digest(up, down, at) {
  const sent = up ? streams(up) : [];
  const received = down ? streams(down) : [];
  return {
    at,
    up: up && path(up, sent),
    down: down && path(down, received),
    sources: [...sent, ...received].map(({ statistics }) => statistics),
  };
}

/** @typedef {{statistics: SourceStatistics, lost: number, packets: number}} Stream with the packets since the reading before */

/**
 * @param {Reading} reading
 * @returns {Stream[]}
 */
function streams(reading) {
  const [type, describe] = reading.direction === "up" ? ["outbound-rtp", sentStream] : ["inbound-rtp", receivedStream];
  const found = [];
  for (const report of reading.reports.values()) {
    const owner = report.type === type ? reading.ownerOf(report) : null;
    if (owner) found.push(describe(report, owner, reading));
  }
  return found;
}

/**
 * @param {any} report
 * @param {Owner} owner
 * @param {Reading} reading
 * @returns {Stream}
 */
function receivedStream(report, owner, { reports, before }) {
  const delta = difference(report, before.get(report.id));
  const lost = Math.max(0, delta("packetsLost") ?? 0);
  const packets = lost + Math.max(0, delta("packetsReceived") ?? 0);
  const frozenS = delta("totalFreezesDuration");
  const concealed = delta("concealedSamples");
  const statistics = {
    ...owner,
    ...common(report, reports),
    own: false,
    bitrateBps: bitrate(delta("bytesReceived"), delta),
    loss: ratio(lost, packets),
    jitterMs: milliseconds(report.jitter),
    frozen: frozenS === null ? null : ratio(frozenS * 1000, delta("timestamp")),
    concealed: concealed === null ? null : ratio(concealed - (delta("silentConcealedSamples") ?? 0), delta("totalSamplesReceived")),
    level: levelFrom(delta),
    limitedBy: null,
  };
  return { statistics, lost, packets };
}

/**
 * @param {any} report
 * @param {Owner} owner
 * @param {Reading} reading
 * @returns {Stream}
 */
function sentStream(report, owner, { reports, before }) {
  const delta = difference(report, before.get(report.id));
  const told = reports.get(report.remoteId);
  const loss = number(told?.fractionLost);
  const packets = Math.max(0, delta("packetsSent") ?? 0);
  const statistics = {
    ...owner,
    ...common(report, reports),
    own: true,
    bitrateBps: bitrate(delta("bytesSent"), delta),
    loss,
    jitterMs: milliseconds(told?.jitter),
    frozen: null,
    concealed: null,
    level: levelFrom(difference(reports.get(report.mediaSourceId) ?? {}, before.get(report.mediaSourceId))),
    limitedBy: report.qualityLimitationReason ?? null,
  };
  return { statistics, lost: (loss ?? 0) * packets, packets };
}

/**
 * @param {any} report
 * @param {Map<string, any>} reports
 */
function common(report, reports) {
  /** @type {string | undefined} */
  const mimeType = reports.get(report.codecId)?.mimeType;
  return {
    kind: /** @type {Kind} */ (report.kind),
    codec: mimeType?.split("/")[1] ?? null,
    width: number(report.frameWidth),
    height: number(report.frameHeight),
    framesPerSecond: number(report.framesPerSecond),
  };
}

/**
 * @param {Reading} reading
 * @param {Stream[]} streams
 * @returns {PathStatistics}
 */
function path({ reports, before, direction, state }, streams) {
  const pair = selectedPair(reports);
  const local = reports.get(pair?.localCandidateId);
  const remote = reports.get(pair?.remoteCandidateId);
  const delta = difference(pair ?? {}, before.get(pair?.id));
  const sum = (/** @type {"lost" | "packets"} */ name) => streams.reduce((total, stream) => total + stream[name], 0);
  return {
    state,
    bitrateBps: bitrate(delta(direction === "up" ? "bytesSent" : "bytesReceived"), delta),
    rttMs: milliseconds(pair?.currentRoundTripTime ?? roundTripOf(reports)),
    loss: ratio(sum("lost"), sum("packets")),
    availableBps: direction === "up" ? number(pair?.availableOutgoingBitrate) : null,
    candidateType: local?.candidateType ?? null,
    protocol: local?.relayProtocol ?? local?.protocol ?? null,
    server: remote?.address ? `${remote.address.includes(":") ? `[${remote.address}]` : remote.address}:${remote.port}` : null,
  };
}

/** @param {Map<string, any>} reports */
function selectedPair(reports) {
  const all = [...reports.values()];
  const named = all.find(({ type, selectedCandidatePairId }) => type === "transport" && selectedCandidatePairId)?.selectedCandidatePairId;
  // Firefox has no `transport`, and marks the pair itself.
  return reports.get(named) ?? all.find(({ type, selected, nominated, state }) => type === "candidate-pair" && (selected ?? (nominated && state === "succeeded")));
}

/** @param {Map<string, any>} reports */
function roundTripOf(reports) {
  return [...reports.values()].find(({ type, roundTripTime }) => /^remote-(in|out)bound-rtp$/.test(type) && roundTripTime !== undefined)?.roundTripTime;
}

/** @typedef {(name: string) => number | null} Delta the growth of a counter; null where there is nothing to compare with */

/**
 * @param {any} report
 * @param {any} before
 * @returns {Delta}
 */
function difference(report, before) {
  return (name) => {
    const [now, then] = [report[name], before?.[name]];
    return typeof now === "number" && typeof then === "number" ? now - then : null;
  };
}

/**
 * @param {number | null} bytes
 * @param {Delta} delta
 */
function bitrate(bytes, delta) {
  const ms = delta("timestamp");
  return bytes === null || !ms || ms < 0 ? null : Math.max(0, (bytes * 8000) / ms);
}

/** @param {Delta} delta */
function levelFrom(delta) {
  const energy = delta("totalAudioEnergy");
  const duration = delta("totalSamplesDuration");
  return energy === null || !duration || duration < 0 ? null : Math.sqrt(Math.max(0, energy) / duration);
}

/**
 * @param {number} part
 * @param {number | null} whole
 */
function ratio(part, whole) {
  return whole === null || whole <= 0 ? null : Math.min(1, Math.max(0, part / whole));
}

/** @param {unknown} value */
function number(value) {
  return typeof value === "number" ? value : null;
}

/** @param {unknown} seconds */
function milliseconds(seconds) {
  return typeof seconds === "number" ? seconds * 1000 : null;
}
