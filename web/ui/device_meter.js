import { LevelMeter } from "../lib/index.js";
import { h, setAttribute } from "./dom.js";
import { texts } from "./texts.js";

const EVERY_MS = 60;
/** What the two ends of the bar stand for: a quiet room, and somebody who calls out. */
const QUIET_DB = -55;
const LOUD_DB = -10;
/** A bar that falls at once flickers. */
const FALL = 0.8;

/** A bar that shows how loud a microphone is, also while its owner is muted. */
export class DeviceMeter {
  element = h("div", { class: "level", role: "meter", "aria-label": texts.devices.level, "aria-valuenow": 0, "aria-valuemin": 0, "aria-valuemax": 10, dataset: { testid: "level" } },
    h("span", { class: "level-bar" }));
  /** @type {MediaStreamTrack | null} */
  #source = null;
  /** @type {LevelMeter | null} */
  #meter = null;
  #shown = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** @param {MediaStreamTrack | null} track */
  follow(track) {
    // A copy would keep the device open that its owner has stopped, and with it the way in which it was opened.
    if (track?.readyState === "ended") track = null;
    if (track === this.#source) return;
    this.#release();
    this.#source = track;
    this.#shown = 0;
    if (track) {
      const heard = track.clone();
      heard.enabled = true;
      this.#meter = new LevelMeter(heard);
      this.#timer = setInterval(() => this.#read(), EVERY_MS);
    }
    this.#show();
  }

  dispose() {
    this.follow(null);
  }

  #release() {
    clearInterval(this.#timer);
    this.#meter?.close();
    this.#meter?.track.stop();
    this.#meter = null;
  }

  #read() {
    const level = 20 * Math.log10(Math.max(this.#meter?.read() ?? 0, 1e-6));
    const share = Math.min(1, Math.max(0, (level - QUIET_DB) / (LOUD_DB - QUIET_DB)));
    this.#shown = Math.max(share, this.#shown * FALL);
    this.#show();
  }

  #show() {
    this.element.style.setProperty("--level", this.#shown.toFixed(2));
    setAttribute(this.element, "aria-valuenow", Math.round(this.#shown * 10));
  }
}
