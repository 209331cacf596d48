import { h } from "./dom.js";
import { LIMITS, SLOW_MODES_S } from "./settings.js";
import { texts } from "./texts.js";

/** @typedef {import("../lib/types.js").SessionSettings} SessionSettings */

/** What a session begins with where nobody says otherwise, as the server has it. */
const USUAL = {
  max_guests: 20, guest_audio_default: true, guest_video_default: true, enable_chat: true, enable_gifts: false, slow_mode_s: 0, max_participants: 1000,
};
/** Those about guests have no meaning where none are let in. */
const ABOUT_GUESTS = ["max_guests", "guest_audio_default", "guest_video_default"];

/** The settings that few people need before they go live, folded away below those that many do. */
export class LiveSettings {
  /** @type {Map<string, HTMLInputElement | HTMLSelectElement>} */
  #inputs = new Map();
  element = h("details", { class: "live-settings", dataset: { testid: "more-settings" } }, h("summary", {}, texts.goLive.more),
    this.#limit("max_guests"), this.#switch("guest_audio_default"), this.#switch("guest_video_default"),
    this.#switch("enable_chat"), this.#slowMode(), this.#switch("enable_gifts"), this.#limit("max_participants"));

  constructor() {
    // The browser shows what is wrong with a field only where it can be seen.
    this.element.addEventListener("invalid", () => (this.element.open = true), true);
  }

  /** @param {boolean} allowed */
  setGuestsAllowed(allowed) {
    for (const name of ABOUT_GUESTS) {
      const input = this.#inputs.get(name);
      if (input) input.disabled = !allowed;
    }
  }

  /** @returns {Partial<SessionSettings>} what is not as usual */
  values() {
    /** @type {Record<string, number | boolean>} */
    const values = {};
    for (const [name, input] of this.#inputs) {
      const value = input instanceof HTMLInputElement && input.type === "checkbox" ? input.checked : Number(input.value);
      if (!input.disabled && value !== USUAL[/** @type {keyof typeof USUAL} */ (name)]) values[name] = value;
    }
    return values;
  }

  /** @param {"guest_audio_default" | "guest_video_default" | "enable_chat" | "enable_gifts"} name */
  #switch(name) {
    return this.#row(name, h("input", { type: "checkbox", role: "switch", name, checked: USUAL[name] }));
  }

  /** @param {"max_guests" | "max_participants"} name */
  #limit(name) {
    const [min, max] = LIMITS[name];
    return this.#row(name, h("input", { type: "number", name, min, max, required: true, inputmode: "numeric", value: USUAL[name] }));
  }

  #slowMode() {
    const options = SLOW_MODES_S.map((seconds) => h("option", { value: seconds }, texts.settings.slowModes(seconds)));
    return this.#row("slow_mode_s", h("select", { name: "slow_mode_s" }, ...options));
  }

  /**
   * @param {keyof typeof USUAL} name
   * @param {HTMLInputElement | HTMLSelectElement} input
   */
  #row(name, input) {
    this.#inputs.set(name, input);
    return h("label", { class: "setting" }, h("span", {}, texts.settings[name]), input);
  }
}
