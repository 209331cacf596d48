/**
 * @typedef {"camera" | "microphone" | "speaker"} Kind
 * @typedef {"echoCancellation" | "noiseSuppression" | "autoGainControl"} Processing
 */

/** @type {Processing[]} what a browser can do to the sound of a microphone */
export const PROCESSING = ["noiseSuppression", "echoCancellation", "autoGainControl"];
/** @type {Kind[]} */
const KINDS = ["camera", "microphone", "speaker"];
const KEY = "greenroom.devices";

/** Which devices the user wants, remembered by the browser. Ids are those of the browser, and differ from site to site. */
export class DeviceChoices {
  /** @type {Record<Kind, string>} empty: whatever the browser takes */
  #ids = { camera: "", microphone: "", speaker: "" };
  /** @type {Record<Processing, boolean>} */
  #processing = { noiseSuppression: true, echoCancellation: true, autoGainControl: true };

  constructor() {
    const saved = read();
    for (const kind of KINDS) if (typeof saved[kind] === "string") this.#ids[kind] = saved[kind];
    for (const name of PROCESSING) if (typeof saved[name] === "boolean") this.#processing[name] = saved[name];
  }

  /** What the microphone is opened with. */
  get processing() {
    return { ...this.#processing };
  }

  /** @param {Kind} kind */
  id(kind) {
    return this.#ids[kind];
  }

  /**
   * @param {Kind} kind
   * @param {string} id
   */
  setId(kind, id) {
    this.#ids[kind] = id;
    this.#save();
  }

  /**
   * @param {Processing} name
   * @param {boolean} on
   */
  setProcessing(name, on) {
    this.#processing[name] = on;
    this.#save();
  }

  #save() {
    try {
      localStorage.setItem(KEY, JSON.stringify({ ...this.#ids, ...this.#processing }));
    } catch {
      // Storage is blocked or full: the choice counts until the page is closed.
    }
  }
}

/** @returns {Record<string, any>} whatever lies there: other versions of this page, and people, may have written it */
function read() {
  try {
    return Object(JSON.parse(localStorage.getItem(KEY) ?? "{}"));
  } catch {
    return {};
  }
}
