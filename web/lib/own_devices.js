import { openCamera, openCameraAndMicrophone, openMicrophone, openScreen } from "./devices.js";
import { GreenroomError, errorCode } from "./errors.js";

/**
 * @typedef {import("./types.js").Source} Source
 * @typedef {{camera: MediaStreamTrack, microphone: MediaStreamTrack}} Both
 */

/** The devices that were opened for a room, and that it has to close. */
export class OwnDevices {
  #onEnded;
  /** @type {Map<Source, MediaStreamTrack>} */
  #tracks = new Map();
  /** @type {Set<Source>} */
  #asked = new Set();
  /** @type {Promise<Both | null> | null} */
  #question = null;

  /** @param {(source: Source) => void} onEnded a device was unplugged, or its user stopped it in the browser */
  constructor(onEnded) {
    this.#onEnded = onEnded;
  }

  /**
   * @param {Source} source one that is open already stays as it is
   * @returns {Promise<Map<Source, MediaStreamTrack>>} the source, and `screen_audio` with a screen that has sound; rejects with a
   *   `GreenroomError` as `openCamera` does
   */
  async open(source) {
    const open = this.#tracks.get(source);
    if (open) return new Map([[source, open]]);
    const opened = source === "screen" ? await screen() : new Map([[source, await this.#device(source)]]);
    for (const [name, track] of opened) this.#keep(name, track);
    return opened;
  }

  /**
   * @param {...Source} sources all where none is named
   * @returns {Source[]} those of them that were open; with a screen its sound
   */
  close(...sources) {
    const named = new Set(sources.length > 0 ? sources : this.#tracks.keys());
    if (named.has("screen")) named.add("screen_audio");
    const open = [...named].filter((source) => this.#tracks.has(source));
    for (const source of open) {
      this.#tracks.get(source)?.stop();
      this.#tracks.delete(source);
    }
    return open;
  }

  /** @param {Source} source */
  async #device(source) {
    if (source !== "camera" && source !== "microphone") {
      throw new GreenroomError("device_unsupported", "The sound of a screen comes with the screen.");
    }
    this.#asked.add(source);
    this.#question ??= this.#askForBoth();
    const both = await this.#question;
    return both ? both[source] : source === "camera" ? openCamera() : openMicrophone();
  }

  /**
   * Camera and microphone that are wanted in one turn of the event loop are one question to the user.
   *
   * @returns {Promise<Both | null>} null where only one is wanted, or where one of the two is missing
   */
  async #askForBoth() {
    await null;
    const both = this.#asked.size === 2;
    this.#asked.clear();
    this.#question = null;
    if (!both) return null;
    try {
      return await openCameraAndMicrophone();
    } catch (error) {
      // Who said no is not asked again at once; who has only one of the two devices goes on with that one.
      if (errorCode(error) === "device_denied") throw error;
      return null;
    }
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack} track
   */
  #keep(source, track) {
    this.#tracks.get(source)?.stop();
    this.#tracks.set(source, track);
    track.addEventListener("ended", () => {
      if (this.#tracks.get(source) === track) this.#onEnded(source);
    });
  }
}

/** @returns {Promise<Map<Source, MediaStreamTrack>>} */
async function screen() {
  const { screen: picture, screenAudio } = await openScreen();
  /** @type {Map<Source, MediaStreamTrack>} */
  const opened = new Map([["screen", picture]]);
  if (screenAudio) opened.set("screen_audio", screenAudio);
  return opened;
}
