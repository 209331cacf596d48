import { confirmStep } from "./confirm.js";
import { find, h } from "./dom.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").SessionSettings} SessionSettings
 * @typedef {"locked" | "allow_guests" | "require_approval" | "guest_audio_default" | "guest_video_default" | "enable_chat" | "enable_gifts"} Switch
 * @typedef {"max_guests" | "max_participants"} Limit
 */

/** @type {Switch[]} */
const SWITCHES = ["allow_guests", "require_approval", "guest_audio_default", "guest_video_default", "enable_chat", "enable_gifts", "locked"];
/** @type {Record<Limit, [number, number]>} */
export const LIMITS = { max_guests: [1, 20], max_participants: [1, 100_000] };
export const SLOW_MODES_S = [0, 5, 10, 30, 60, 300];

/** What the host may change while the session is live. Each change counts at once. */
export class SettingsPanel {
  element = h("section", { class: "settings", "aria-label": texts.settings.open, dataset: { testid: "settings" } });
  #room;
  #ui;

  /**
   * @param {Room} room
   * @param {import("./person_actions.js").Ui} ui
   */
  constructor(room, ui) {
    this.#room = room;
    this.#ui = ui;
    const { guests, chat, room: all } = texts.settings.groups;
    this.element.append(
      group(guests, ...SWITCHES.slice(0, 4).map((name) => this.#switch(name)), this.#limit("max_guests")),
      group(chat, this.#switch("enable_chat"), this.#slowMode(), this.#switch("enable_gifts")),
      group(all, this.#switch("locked"), this.#limit("max_participants")),
    );
  }

  render() {
    const { settings } = this.#room.state.session ?? {};
    if (!settings) return;
    for (const name of SWITCHES) find(this.element, `[name=${name}]`).checked = settings[name];
    for (const name of ["max_guests", "max_participants"]) {
      const input = find(this.element, `[name=${name}]`);
      if (document.activeElement !== input) input.value = settings[/** @type {Limit} */ (name)];
    }
    this.#showSlowMode(settings.slow_mode_s);
    for (const name of ["require_approval", "max_guests", "guest_audio_default", "guest_video_default"]) {
      find(this.element, `[name=${name}]`).disabled = !settings.allow_guests;
    }
  }

  /** @param {Switch} name */
  #switch(name) {
    const input = h("input", { type: "checkbox", role: "switch", name, onChange: () => this.#flip(name, input) });
    return h("label", { class: "setting" }, h("span", {}, texts.settings[name]), input);
  }

  /**
   * @param {Switch} name
   * @param {HTMLInputElement} input
   */
  async #flip(name, input) {
    const on = input.checked;
    const says = texts.settings;
    const someoneWaits = this.#room.state.pendingRequests.length + this.#room.state.invitations.length > 0;
    const question = { title: says.noGuestsQuestion, text: says.closedGuestsText, action: says.noGuestsGo };
    const sure = name !== "allow_guests" || on || !someoneWaits || (await confirmStep(question));
    if (sure) this.#change({ [name]: on });
    else this.render();
  }

  /** @param {Limit} name */
  #limit(name) {
    const [min, max] = LIMITS[name];
    const change = () => {
      if (input.reportValidity()) this.#change({ [name]: input.valueAsNumber });
    };
    const input = h("input", { type: "number", name, min, max, required: true, inputmode: "numeric", onChange: change });
    return h("label", { class: "setting" }, h("span", {}, texts.settings[name]), input);
  }

  #slowMode() {
    const select = h("select", { name: "slow_mode_s", onChange: () => this.#change({ slow_mode_s: Number(select.value) }) });
    return h("label", { class: "setting" }, h("span", {}, texts.settings.slow_mode_s), select);
  }

  /** @param {number} current which may be one that another client chose */
  #showSlowMode(current) {
    const select = find(this.element, "select");
    if (select.value === String(current)) return;
    const choices = [...new Set([...SLOW_MODES_S, current])].sort((a, b) => a - b);
    select.replaceChildren(...choices.map((seconds) => h("option", { value: seconds, selected: seconds === current }, texts.settings.slowModes(seconds))));
  }

  /** @param {Partial<SessionSettings>} settings */
  #change(settings) {
    const done = this.#room.updateSettings(settings);
    this.#ui.attempt(done);
    // What was refused is shown as it is.
    done.catch(() => this.render());
  }
}

/**
 * @param {string} name
 * @param {...HTMLElement} settings
 */
function group(name, ...settings) {
  return h("fieldset", { class: "box" }, h("legend", {}, name), ...settings);
}
