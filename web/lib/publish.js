import { Backoff, watchConnection } from "./connection.js";
import { errorCode } from "./errors.js";
import { withStartBitrate } from "./start_bitrate.js";
import { Way } from "./way.js";

/**
 * @typedef {import("./types.js").Source} Source
 * @typedef {import("./signaling.js").Signaling} Signaling
 */

/**
 * Sent once per source. A camera may get smaller when bandwidth or CPU run short, a screen must stay readable and loses frames instead.
 *
 * @type {Record<Source, {encoding: RTCRtpEncodingParameters, preference?: RTCDegradationPreference, hint: string}>}
 */
const SENDING = {
  camera: { encoding: { maxBitrate: 2_500_000, maxFramerate: 30 }, preference: "balanced", hint: "motion" },
  screen: { encoding: { maxBitrate: 2_500_000, maxFramerate: 15 }, preference: "maintain-resolution", hint: "detail" },
  microphone: { encoding: { maxBitrate: 64_000 }, hint: "speech" },
  screen_audio: { encoding: { maxBitrate: 128_000 }, hint: "music" },
};

/** Errors after which offering the same again is pointless. */
const HOPELESS = new Set(["forbidden", "invalid_sdp", "invalid_request", "session_ended", "kicked", "banned", "not_joined"]);

/**
 * The publish connection. What is to be sent is set with `setTrack`; the connection is made, renegotiated and made anew to match.
 *
 * Events: `state` (detail `RTCPeerConnectionState`), `error` (detail `Error`: the server refused, nothing is sent), `way` (detail `boolean`:
 * whether it gets through).
 */
export class Publisher extends EventTarget {
  /** @type {RTCPeerConnection | null} */
  pc = null;
  #signaling;
  /** @type {RTCIceServer[]} */
  #iceServers = [];
  /** @type {string | null} */
  #connectionId = null;
  /** @type {Map<Source, MediaStreamTrack>} what is to be sent */
  #wanted = new Map();
  /** @type {Map<Source, RTCRtpTransceiver>} */
  #transceivers = new Map();
  #allowed = false;
  #dirty = false;
  /** @type {Promise<void> | null} */
  #negotiation = null;
  #backoff = new Backoff();
  #unwatch = () => {};
  #way = new Way((open) => this.dispatchEvent(new CustomEvent("way", { detail: open })));

  /** @param {Signaling} signaling */
  constructor(signaling) {
    super();
    this.#signaling = signaling;
  }

  /** @param {RTCIceServer[]} servers for connections made from now on */
  setIceServers(servers) {
    this.#iceServers = servers;
  }

  /** @param {Source} source */
  track(source) {
    return this.#wanted.get(source) ?? null;
  }

  /** Which source a section of the connection sends. @param {string} mid */
  sourceOf(mid) {
    return this.#sourcesByMid()[mid] ?? null;
  }

  /**
   * Sends a track as a source, in place of the one before; null ends the source. Resolves when the server has answered
   * (at once where a running source only changes its track).
   *
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  async setTrack(source, track) {
    const before = this.#wanted.get(source);
    if (before === track || (!before && !track)) return;
    if (track) {
      if ("contentHint" in track) track.contentHint = SENDING[source].hint;
      this.#wanted.set(source, track);
    } else {
      this.#wanted.delete(source);
    }
    const sender = this.#transceivers.get(source)?.sender;
    if (before && track && sender) await sender.replaceTrack(track);
    else await this.#negotiate();
  }

  /** Whether the role lets this client publish; false closes the connection and keeps the tracks. @param {boolean} allowed */
  setAllowed(allowed) {
    if (allowed === this.#allowed) return;
    this.#allowed = allowed;
    if (allowed) return this.#retry();
    this.#discard();
    this.#way.done();
  }

  /** Both ends are out of step (or the server's is gone): make a new connection with the same tracks. */
  restart() {
    this.#discard();
    this.#retry();
  }

  /** The signaling came back with everything as it was: offer what could not be offered meanwhile. */
  resume() {
    const failed = this.pc && ["failed", "closed"].includes(this.pc.connectionState);
    if (failed) this.restart();
    else if (this.#dirty) this.#retry();
  }

  /** Ends all sources and tells the server. */
  async close() {
    this.#wanted.clear();
    const open = this.#connectionId !== null;
    this.#discard();
    this.#way.done();
    if (open && this.#signaling.connected) await this.#signaling.request("publish_close");
  }

  #discard() {
    this.#backoff.cancel();
    this.#unwatch();
    this.pc?.close();
    this.pc = null;
    this.#connectionId = null;
    this.#transceivers.clear();
  }

  #retry() {
    this.#negotiate().catch(() => {});
  }

  /** One offer at a time: changes of one turn of the event loop share an offer, later ones get another round after it. */
  #negotiate() {
    this.#dirty = true;
    this.#negotiation ??= this.#negotiateUntilClean();
    return this.#negotiation;
  }

  async #negotiateUntilClean() {
    // What is set in one go is offered in one go.
    await null;
    try {
      await null;
      while (this.#dirty && this.#allowed && this.#signaling.connected) {
        this.#dirty = false;
        if (!this.pc && this.#wanted.size === 0) return this.#way.done();
        const pc = (this.pc ??= this.#createConnection());
        try {
          await this.#offer(pc);
        } catch (error) {
          if (pc === this.pc) return this.#offerFailed(error);
        }
      }
    } finally {
      this.#negotiation = null;
    }
  }

  /** @param {RTCPeerConnection} pc */
  async #offer(pc) {
    await this.#syncTransceivers(pc);
    await pc.setLocalDescription(await pc.createOffer());
    const answer = await this.#signaling.request("publish_offer", {
      connection_id: this.#connectionId,
      sdp: pc.localDescription?.sdp,
      sources: this.#sourcesByMid(),
    });
    if (pc !== this.pc) return;
    this.#connectionId = answer.connection_id;
    await pc.setRemoteDescription({ type: "answer", sdp: withStartBitrate(answer.sdp) });
    await this.#preferDegradation();
  }

  /** @param {unknown} error */
  #offerFailed(error) {
    this.#discard();
    this.#dirty = true;
    if (HOPELESS.has(errorCode(error))) {
      this.#dirty = false;
      this.#way.done();
      this.dispatchEvent(new CustomEvent("error", { detail: error }));
      throw error;
    }
    this.#backoff.schedule(() => this.#retry());
  }

  #createConnection() {
    this.#way.seek();
    const pc = new RTCPeerConnection({
      iceServers: this.#iceServers,
      bundlePolicy: "max-bundle",
      rtcpMuxPolicy: "require",
    });
    this.#unwatch = watchConnection(
      pc,
      () => pc === this.pc && this.#connectionFailed(),
      (state) => {
        if (state === "connected") this.#backoff.succeeded();
        this.#way.follow(state);
        this.dispatchEvent(new CustomEvent("state", { detail: state }));
      },
    );
    return pc;
  }

  #connectionFailed() {
    this.#discard();
    this.#dirty = true;
    this.#backoff.schedule(() => this.#retry());
  }

  /** @param {RTCPeerConnection} pc */
  async #syncTransceivers(pc) {
    for (const [source, track] of this.#wanted) {
      const transceiver = this.#transceivers.get(source);
      if (!transceiver) {
        const sendEncodings = [{ ...SENDING[source].encoding }];
        this.#transceivers.set(source, pc.addTransceiver(track, { direction: "sendonly", sendEncodings }));
      } else {
        transceiver.direction = "sendonly";
        if (transceiver.sender.track !== track) await transceiver.sender.replaceTrack(track);
      }
    }
    for (const [source, transceiver] of this.#transceivers) {
      if (this.#wanted.has(source) || transceiver.direction === "inactive") continue;
      transceiver.direction = "inactive";
      await transceiver.sender.replaceTrack(null);
    }
  }

  #sourcesByMid() {
    /** @type {Record<string, Source>} */
    const sources = {};
    for (const [source, { mid, direction }] of this.#transceivers) {
      if (mid !== null && direction === "sendonly") sources[mid] = source;
    }
    return sources;
  }

  async #preferDegradation() {
    for (const [source, { sender }] of this.#transceivers) {
      const { preference } = SENDING[source];
      const parameters = sender.getParameters();
      if (!preference || parameters.degradationPreference === preference || !parameters.encodings?.length) continue;
      parameters.degradationPreference = preference;
      // A hint that some browsers refuse; the media flows without it.
      await sender.setParameters(parameters).catch(() => {});
    }
  }
}
