import { askForSpeaker, errorCode, listDevices, openCamera, openCameraAndMicrophone, openMicrophone, openScreen, watchDevices } from "../lib/index.js";
import { DeviceChoices } from "./device_choices.js";
import { SoundOutput } from "./device_output.js";

/**
 * @typedef {import("../lib/types.js").Source} Source
 * @typedef {import("../lib/types.js").SessionType} SessionType
 * @typedef {"camera" | "microphone"} Device
 *
 * @typedef {object} Lost a device ended by itself: unplugged, or its permission taken back
 * @property {Device} source
 * @property {string} name
 * @property {string | null} replacement the name of the one that is used instead
 * @property {Error | null} error why there is none
 */

/** @type {Source[]} */
const SOURCES = ["camera", "microphone", "screen", "screen_audio"];

/**
 * The devices that are open on this side. They outlive a page of the application: the preview's camera becomes the room's.
 *
 * Events:
 * - `change`: a track came, went or ended
 * - `devices`: `devices` is another list
 * - `lost` (detail `Lost`)
 */
export class LocalMedia extends EventTarget {
  /** @type {Map<Source, MediaStreamTrack>} */
  tracks = new Map();
  /** @type {Set<Source>} what the user went on without; it is not asked for again by itself */
  declined = new Set();
  /** @type {import("../lib/devices.js").Devices} what there is to choose from */
  devices = { cameras: [], microphones: [], speakers: [] };
  choices = new DeviceChoices();
  output = new SoundOutput(this.choices);
  /** @type {Map<Source, symbol>} who may put a track: whoever asked last, until the source is stopped */
  #claims = new Map();

  constructor() {
    super();
    watchDevices(() => this.#list());
    this.#list();
  }

  /** @param {Source} source */
  get(source) {
    return this.tracks.get(source) ?? null;
  }

  /** Whether the user is being asked, or a device starts. */
  get opening() {
    return this.#claims.size > 0;
  }

  /**
   * Opens what is missing of `camera` and `microphone`, with one question to the user where that is possible.
   *
   * @param {Source[]} sources
   * @returns {Promise<Error[]>} why some could not be opened; empty when all are open
   */
  async open(sources) {
    const missing = /** @type {Device[]} */ (sources.filter((source) => !this.tracks.has(source)));
    const claims = new Map(missing.map((source) => [source, this.#claim(source)]));
    if (missing.length === 2) {
      try {
        const opened = await openCameraAndMicrophone({ camera: this.#options("camera"), microphone: this.#options("microphone") });
        for (const source of missing) this.#put(source, opened[source], claims.get(source));
        return [];
      } catch (error) {
        // Who said no is not asked again at once; who has only one of the two devices goes on with that one.
        if (errorCode(error) === "device_denied") {
          for (const [source, claim] of claims) this.#release(source, claim);
          return [/** @type {Error} */ (error)];
        }
      }
    }
    const errors = [];
    for (const source of missing) {
      try {
        this.#put(source, await this.#openChosen(source), claims.get(source));
      } catch (error) {
        this.#release(source, claims.get(source));
        errors.push(/** @type {Error} */ (error));
      }
    }
    return errors;
  }

  /** From a click only. Rejects with a `GreenroomError`. */
  async openScreen() {
    const { screen, screenAudio } = await openScreen();
    this.#put("screen", screen, this.#claim("screen"));
    if (screenAudio) this.#put("screen_audio", screenAudio, this.#claim("screen_audio"));
  }

  /**
   * Takes another device, at once unless the user goes without one.
   *
   * @param {Device} source
   * @param {string} id of `devices`
   * @returns {Promise<void>} rejects with a `GreenroomError`; the one before is open again then, if that is possible
   */
  async choose(source, id) {
    this.choices.setId(source, id);
    if (this.declined.has(source)) this.#changed();
    else await this.#reopen(source);
  }

  /** @param {string} id of `devices.speakers` */
  chooseSpeaker(id) {
    this.choices.setId("speaker", id);
    this.output.follow(this.devices.speakers);
    this.dispatchEvent(new Event("devices"));
  }

  /** Has the browser ask for a speaker, from a click. Rejects with a `GreenroomError`. */
  async askForSpeaker() {
    const { id } = await askForSpeaker();
    await this.#list();
    this.chooseSpeaker(id);
  }

  /**
   * @param {import("./device_choices.js").Processing} name
   * @param {boolean} on
   * @returns {Promise<void>} as `choose`
   */
  async setProcessing(name, on) {
    this.choices.setProcessing(name, on);
    if (this.tracks.has("microphone")) await this.#reopen("microphone");
  }

  /** @param {...Source} sources all where none is named */
  stop(...sources) {
    for (const source of sources.length ? sources : SOURCES) {
      this.#claims.delete(source);
      this.tracks.get(source)?.stop();
      this.tracks.delete(source);
    }
    this.#changed();
  }

  /** @param {Device} source */
  #options(source) {
    const deviceId = this.choices.id(source) || undefined;
    return source === "camera" ? { deviceId } : { deviceId, ...this.choices.processing };
  }

  /** @param {Device} source */
  async #openChosen(source) {
    const options = this.#options(source);
    try {
      return await openDevice(source, options);
    } catch (error) {
      // What was chosen once is not plugged in today. The choice stays for when it is.
      if (!options.deviceId || errorCode(error) !== "device_not_found") throw error;
      return openDevice(source, { ...options, deviceId: undefined });
    }
  }

  /** @param {Device} source */
  async #reopen(source) {
    const before = this.tracks.get(source);
    // Phones, and some drivers, have one device of a kind open at a time.
    before?.stop();
    const claim = this.#claim(source);
    try {
      this.#put(source, await openDevice(source, this.#options(source)), claim);
    } catch (error) {
      const deviceId = before?.getSettings().deviceId;
      const again = before && (await openDevice(source, { ...this.#options(source), deviceId }).catch(() => null));
      if (again) this.#put(source, again, claim);
      else if (this.#claims.get(source) === claim) this.stop(source);
      throw error;
    }
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack} track
   */
  async #ended(source, track) {
    if (this.tracks.get(source) !== track) return;
    if (source === "screen" || source === "screen_audio") return this.stop(source);
    const claim = this.#claim(source);
    /** @type {Error | null} */
    let error = null;
    try {
      this.#put(source, await openDevice(source, { ...this.#options(source), deviceId: undefined }), claim);
    } catch (failure) {
      error = /** @type {Error} */ (failure);
      if (this.#claims.get(source) === claim) this.stop(source);
    }
    /** @type {Lost} */
    const detail = { source, name: track.label, replacement: error ? null : (this.get(source)?.label ?? null), error };
    this.dispatchEvent(new CustomEvent("lost", { detail }));
  }

  /** @param {Source} source */
  #claim(source) {
    const claim = Symbol(source);
    this.#claims.set(source, claim);
    this.#changed();
    return claim;
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack} track
   * @param {symbol | undefined} claim
   */
  #put(source, track, claim) {
    // It was stopped, or another was asked for, while this one opened.
    if (this.#claims.get(source) !== claim) return track.stop();
    this.#claims.delete(source);
    this.tracks.get(source)?.stop();
    this.tracks.set(source, track);
    this.declined.delete(source);
    track.addEventListener("ended", () => this.#ended(source, track));
    this.#changed();
    // Names are told once a device is allowed.
    this.#list();
  }

  /**
   * @param {Source} source
   * @param {symbol | undefined} claim
   */
  #release(source, claim) {
    if (this.#claims.get(source) === claim) this.#claims.delete(source);
    this.#changed();
  }

  async #list() {
    this.devices = await listDevices();
    this.output.follow(this.devices.speakers);
    this.dispatchEvent(new Event("devices"));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * @param {Device} source
 * @param {import("../lib/devices.js").MicrophoneOptions} options
 */
function openDevice(source, options) {
  return source === "camera" ? openCamera({ deviceId: options.deviceId }) : openMicrophone(options);
}

/**
 * @param {SessionType} type
 * @returns {Device[]} what somebody on stage of such a session is asked for; a screen is shared by a click of its own
 */
export function devicesFor(type) {
  return type === "camera" ? ["camera", "microphone"] : ["microphone"];
}
