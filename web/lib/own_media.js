import { GreenroomError } from "./errors.js";
import { OwnDevices } from "./own_devices.js";

/**
 * @typedef {import("./types.js").Kind} Kind
 * @typedef {import("./types.js").Source} Source
 */

/** @type {Record<Kind, Source[]>} */
const SOURCES_OF = { audio: ["microphone", "screen_audio"], video: ["camera", "screen"] };

/**
 * What this client sends: devices that are opened here and tracks that were given, each silenced while it is muted.
 */
export class OwnMedia {
  #publisher;
  #devices;
  #onEnded;
  #allowed = false;
  /** @type {Record<Kind, boolean>} */
  #enabled = { audio: true, video: true };

  /**
   * @param {import("./publish.js").Publisher} publisher
   * @param {(source: Source) => void} onEnded a device that was opened here ended by itself; it is unpublished already
   */
  constructor(publisher, onEnded) {
    this.#publisher = publisher;
    this.#onEnded = onEnded;
    this.#devices = new OwnDevices((source) => this.#deviceEnded(source));
  }

  /** @param {boolean} allowed whether the role lets this client send; false closes its devices and keeps tracks that were given */
  allow(allowed) {
    this.#allowed = allowed;
    this.#publisher.setAllowed(allowed);
    if (!allowed) this.#clear(this.#devices.close());
  }

  /**
   * @param {Kind} kind
   * @param {boolean} enabled false: silence and black leave this machine, now and from tracks that come later
   */
  enable(kind, enabled) {
    this.#enabled[kind] = enabled;
    for (const source of SOURCES_OF[kind]) {
      const track = this.#publisher.track(source);
      if (track) track.enabled = enabled;
    }
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack} [track] opened here where none is given
   * @returns {Promise<MediaStreamTrack>} what is sent
   */
  async publish(source, track) {
    if (!track) return this.#publishDevice(source);
    await this.#send(source, track);
    this.#clear(this.#devices.close(source).filter((closed) => closed !== source));
    return track;
  }

  /** @param {Source} source */
  async unpublish(source) {
    const ended = new Set([source, ...this.#devices.close(source)]);
    await Promise.all([...ended].map((one) => this.#publisher.setTrack(one, null)));
  }

  /** @param {Source} source */
  async #publishDevice(source) {
    const refused = new GreenroomError("forbidden", "Only those on stage can send something.");
    if (!this.#allowed) throw refused;
    const opened = await this.#devices.open(source);
    try {
      if (!this.#allowed) throw refused;
      await Promise.all([...opened].map(([name, track]) => this.#send(name, track)));
    } catch (error) {
      await this.unpublish(source).catch(() => {});
      throw error;
    }
    return /** @type {MediaStreamTrack} */ (opened.get(source));
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack} track
   */
  #send(source, track) {
    track.enabled = this.#enabled[SOURCES_OF.audio.includes(source) ? "audio" : "video"];
    return this.#publisher.setTrack(source, track);
  }

  /** @param {Source} source */
  #deviceEnded(source) {
    this.unpublish(source).catch(() => {});
    this.#onEnded(source);
  }

  /** @param {Source[]} sources */
  #clear(sources) {
    for (const source of sources) this.#publisher.setTrack(source, null).catch(() => {});
  }
}
