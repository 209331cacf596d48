import { errorCode, openCamera, openCameraAndMicrophone, openMicrophone, openScreen } from "../lib/index.js";

/**
 * @typedef {import("../lib/types.js").Source} Source
 * @typedef {import("../lib/types.js").SessionType} SessionType
 */

/**
 * The devices that are open on this side. They outlive a page of the application: the preview's camera becomes the room's.
 *
 * Event `change`: a track came, went or ended.
 */
export class LocalMedia extends EventTarget {
  /** @type {Map<Source, MediaStreamTrack>} */
  tracks = new Map();
  /** @type {Set<Source>} what the user went on without; it is not asked for again by itself */
  declined = new Set();

  /** @param {Source} source */
  get(source) {
    return this.tracks.get(source) ?? null;
  }

  /**
   * Opens what is missing of `camera` and `microphone`, with one question to the user where that is possible.
   *
   * @param {Source[]} sources
   * @returns {Promise<Error[]>} why some could not be opened; empty when all are open
   */
  async open(sources) {
    const missing = sources.filter((source) => !this.tracks.has(source));
    if (missing.length === 2) {
      try {
        const { camera, microphone } = await openCameraAndMicrophone();
        this.#put({ camera, microphone });
        return [];
      } catch (error) {
        // Who said no is not asked again at once; who has only one of the two devices goes on with that one.
        if (errorCode(error) === "device_denied") return [/** @type {Error} */ (error)];
      }
    }
    const errors = [];
    for (const source of missing) {
      try {
        this.#put({ [source]: source === "camera" ? await openCamera() : await openMicrophone() });
      } catch (error) {
        errors.push(/** @type {Error} */ (error));
      }
    }
    return errors;
  }

  /** From a click only. Rejects with a `GreenroomError`. */
  async openScreen() {
    const { screen, screenAudio } = await openScreen();
    this.#put(screenAudio ? { screen, screen_audio: screenAudio } : { screen });
  }

  /** @param {...Source} sources all where none is named */
  stop(...sources) {
    for (const source of sources.length ? sources : [...this.tracks.keys()]) {
      this.tracks.get(source)?.stop();
      this.tracks.delete(source);
    }
    this.#changed();
  }

  /** @param {Partial<Record<Source, MediaStreamTrack>>} opened */
  #put(opened) {
    for (const [name, track] of Object.entries(opened)) {
      const source = /** @type {Source} */ (name);
      this.tracks.get(source)?.stop();
      this.tracks.set(source, track);
      this.declined.delete(source);
      track.addEventListener("ended", () => {
        if (this.tracks.get(source) === track) this.stop(source);
      });
    }
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * @param {SessionType} type
 * @returns {Source[]} what somebody on stage of such a session is asked for; a screen is shared by a click of its own
 */
export function devicesFor(type) {
  return type === "camera" ? ["camera", "microphone"] : ["microphone"];
}
