import { Backoff, watchConnection } from "./connection.js";
import { Way } from "./way.js";

/**
 * @typedef {import("./types.js").Track} Track
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Source} Source
 * @typedef {import("./signaling.js").Signaling} Signaling
 *
 * @typedef {object} ReceivedTrack
 * @property {string} participantId
 * @property {Source} source
 * @property {string} producerId
 * @property {MediaStreamTrack} track
 * @property {RTCRtpReceiver} receiver
 */

/**
 * The receive connection: answers the server's offers and says which media tracks belong to whom.
 *
 * Events: `trackadded` and `trackremoved` (detail `ReceivedTrack`), `state` (detail `RTCPeerConnectionState`), `way` (detail `boolean`: whether
 * it gets through).
 */
export class Receiver extends EventTarget {
  /** @type {RTCPeerConnection | null} */
  pc = null;
  /** @type {Map<string, ReceivedTrack>} by producer id */
  tracks = new Map();
  #signaling;
  /** @type {RTCIceServer[]} */
  #iceServers = [];
  /** @type {string | null} */
  #connectionId = null;
  #offers = Promise.resolve();
  #backoff = new Backoff();
  #unwatch = () => {};
  #way = new Way((open) => this.dispatchEvent(new CustomEvent("way", { detail: open })));
  #restartOwed = false;

  /** @param {Signaling} signaling */
  constructor(signaling) {
    super();
    this.#signaling = signaling;
  }

  /** @param {RTCIceServer[]} servers for connections made from now on */
  setIceServers(servers) {
    this.#iceServers = servers;
  }

  /**
   * The track that a source of a participant arrives as.
   *
   * @param {string} participantId
   * @param {Source} source
   */
  find(participantId, source) {
    for (const received of this.tracks.values()) {
      if (received.participantId === participantId && received.source === source) return received;
    }
    return null;
  }

  /** @param {Message} offer a `receive_offer` */
  handleOffer(offer) {
    this.#offers = this.#offers.then(() => this.#apply(offer)).catch(() => this.#failed());
    return this.#offers;
  }

  /** Closes the connection; the server will offer a new one. */
  reset() {
    this.#discard();
    this.#way.done();
  }

  /** The signaling came back with everything as it was: ask for a new connection if this one failed meanwhile. */
  resume() {
    if (this.#restartOwed) this.#requestRestart();
  }

  #discard() {
    this.#backoff.cancel();
    this.#restartOwed = false;
    this.#unwatch();
    this.pc?.close();
    this.pc = null;
    this.#connectionId = null;
    for (const received of [...this.tracks.values()]) this.#remove(received);
  }

  /** @param {Message} offer */
  async #apply(offer) {
    if (offer.connection_id !== this.#connectionId) {
      this.#discard();
      this.#connectionId = offer.connection_id;
      this.pc = this.#createConnection();
    }
    const pc = this.pc;
    if (!pc) return;
    await pc.setRemoteDescription({ type: "offer", sdp: offer.sdp });
    await pc.setLocalDescription(await pc.createAnswer());
    if (pc !== this.pc) return;
    this.#match(pc, offer.tracks);
    await this.#answer(offer, pc.localDescription?.sdp ?? "");
  }

  /**
   * @param {Message} offer
   * @param {string} sdp
   */
  async #answer(offer, sdp) {
    const { connection_id, offer_id } = offer;
    // Whatever goes wrong here is made good by another offer: a stale answer has been overtaken by one, and after a lost
    // socket the server repeats the outstanding one.
    await this.#signaling.request("receive_answer", { connection_id, offer_id, sdp }).catch(() => {});
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {Track[]} tracks
   */
  #match(pc, tracks) {
    const transceivers = new Map(pc.getTransceivers().map((transceiver) => [transceiver.mid, transceiver]));
    const current = new Set(tracks.map((track) => track.producer_id));
    for (const received of [...this.tracks.values()]) {
      if (!current.has(received.producerId)) this.#remove(received);
    }
    for (const { mid, participant_id, producer_id, source } of tracks) {
      const receiver = transceivers.get(mid)?.receiver;
      const known = this.tracks.get(producer_id);
      if (!receiver || known?.receiver === receiver) continue;
      if (known) this.#remove(known);
      this.#add({ participantId: participant_id, source, producerId: producer_id, track: receiver.track, receiver });
    }
  }

  /** @param {ReceivedTrack} received */
  #add(received) {
    this.tracks.set(received.producerId, received);
    this.dispatchEvent(new CustomEvent("trackadded", { detail: received }));
  }

  /** @param {ReceivedTrack} received */
  #remove(received) {
    this.tracks.delete(received.producerId);
    this.dispatchEvent(new CustomEvent("trackremoved", { detail: received }));
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
      () => pc === this.pc && this.#failed(),
      (state) => {
        if (state === "connected") this.#backoff.succeeded();
        this.#way.follow(state);
        this.dispatchEvent(new CustomEvent("state", { detail: state }));
      },
    );
    return pc;
  }

  #failed() {
    this.#restartOwed = true;
    this.#backoff.schedule(() => this.#requestRestart());
  }

  #requestRestart() {
    if (!this.#signaling.connected) return;
    this.#restartOwed = false;
    this.#signaling.request("receive_restart").catch(() => this.#failed());
  }
}
