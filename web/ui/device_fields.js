import { asksForSpeaker } from "../lib/index.js";
import { PROCESSING } from "./device_choices.js";
import { DeviceMeter } from "./device_meter.js";
import { SoundOutput } from "./device_output.js";
import { find, h, icon, reconcile, setAttribute } from "./dom.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/devices.js").Device} Device
 * @typedef {import("../lib/types.js").Source} Source
 * @typedef {import("./device_choices.js").Kind} Kind
 */

/** The choice of camera, microphone and speaker, and what is done to the microphone's sound. */
export class DeviceFields {
  #media;
  #attempt;
  #meter = new DeviceMeter();
  #camera = this.#select("camera", (id) => this.#attempt(this.#media.choose("camera", id)));
  #microphone = this.#select("microphone", (id) => this.#attempt(this.#media.choose("microphone", id)));
  #speaker = this.#select("speaker", (id) => this.#media.chooseSpeaker(id));
  #sound;
  element;

  /**
   * @param {import("./local_media.js").LocalMedia} media
   * @param {(promise: Promise<unknown>) => void} attempt shows the error if it fails
   */
  constructor(media, attempt) {
    this.#media = media;
    this.#attempt = attempt;
    const test = h("button", {
      type: "button", class: "small", "aria-label": texts.devices.testLabel, dataset: { testid: "test-speaker" },
      onClick: () => this.#attempt(this.#media.output.test()),
    }, texts.devices.test);
    this.#microphone.append(this.#meter.element);
    const ask = h("button", {
      type: "button", class: "small", "aria-label": texts.devices.otherSpeakerLabel, dataset: { testid: "ask-speaker" }, hidden: !asksForSpeaker(),
      onClick: () => this.#attempt(this.#media.askForSpeaker()),
    }, texts.devices.otherSpeaker);
    this.#speaker.append(h("div", { class: "device-buttons" }, ask, test));
    this.#sound = h("details", { class: "device-sound", dataset: { testid: "device-sound" } },
      h("summary", {}, texts.devices.sound), ...PROCESSING.map((name) => this.#switch(name)));
    this.element = h("div", { class: "device-fields" }, this.#camera, this.#microphone, this.#speaker, this.#sound);
  }

  dispose() {
    this.#meter.dispose();
  }

  /** @param {Source[]} wanted what is used here */
  render(wanted) {
    const { devices, choices, output } = this.#media;
    this.#camera.hidden = !wanted.includes("camera");
    this.#microphone.hidden = this.#sound.hidden = !wanted.includes("microphone");
    this.#speaker.hidden = !SoundOutput.supported || !(asksForSpeaker() || devices.speakers.some(({ id }) => id));
    fill(this.#camera, "camera", devices.cameras, this.#usedId("camera"));
    fill(this.#microphone, "microphone", devices.microphones, this.#usedId("microphone"));
    fill(this.#speaker, "speaker", devices.speakers, output.current);
    this.#meter.follow(this.#media.get("microphone"));
    for (const name of PROCESSING) find(this.#sound, `[name=${name}]`).checked = choices.processing[name];
  }

  /** @param {"camera" | "microphone"} source */
  #usedId(source) {
    return this.#media.get(source)?.getSettings().deviceId ?? this.#media.choices.id(source);
  }

  /**
   * @param {Kind} kind
   * @param {(id: string) => void} onChoose
   */
  #select(kind, onChoose) {
    const select = h("select", { id: `choose-${kind}`, dataset: { testid: `choose-${kind}` }, onChange: () => onChoose(select.value) });
    return h("div", { class: `device-field device-${kind}` },
      h("label", { for: `choose-${kind}` }, icon(PICTURES[kind]), texts.devices.kinds[kind]), select);
  }

  /** @param {import("./device_choices.js").Processing} name */
  #switch(name) {
    const supported = /** @type {Record<string, boolean>} */ (navigator.mediaDevices?.getSupportedConstraints() ?? {});
    const input = h("input", {
      type: "checkbox", role: "switch", name, onChange: () => this.#attempt(this.#media.setProcessing(name, input.checked)),
    });
    return h("label", { class: "setting", hidden: !supported[name] }, h("span", {}, texts.devices.processing[name]), input);
  }
}

/** @type {Record<Kind, string>} */
const PICTURES = { camera: "camera", microphone: "mic", speaker: "speaker" };

/**
 * @param {HTMLElement} field
 * @param {Kind} kind
 * @param {Device[]} devices
 * @param {string} used id
 */
function fill(field, kind, devices, used) {
  /** @type {HTMLSelectElement} */
  const select = find(field, "select");
  const known = devices.filter(({ id }) => id);
  // A page that was not allowed a device yet is told that there is one, but not which.
  const options = known.length ? known : [{ id: "", name: devices.length ? texts.devices.standard : texts.devices.none[kind] }];
  reconcile(select, options, ({ id }) => id, ({ id }) => h("option", { value: id }), (option, { name }) => {
    const text = name || texts.devices.numbered(texts.devices.kinds[kind], options.findIndex((one) => one.id === option.dataset.key) + 1);
    if (option.textContent !== text) option.textContent = text;
  });
  setAttribute(select, "disabled", known.length < 2);
  const current = options.some(({ id }) => id === used) ? used : options[0].id;
  if (select.value !== current) select.value = current;
}
