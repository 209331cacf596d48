import { deviceSentence, isChangeOfMind } from "./device_help.js";
import { DeviceFields } from "./device_fields.js";
import { h, icon, initials, setAttribute, setText } from "./dom.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/types.js").Source} Source
 * @typedef {import("./local_media.js").Device} Device
 * @typedef {import("./local_media.js").Lost} Lost
 */

/** @type {Source[]} in the order in which they are named */
const SHOWN = ["camera", "microphone", "screen", "screen_audio"];
/** @type {Record<Device, string>} */
const PICTURES = { microphone: "mic", camera: "camera" };

/** What would be seen and heard of the user, the choice of devices, and help where one does not work. */
export class DevicePanel {
  /** The picture, what is to be said about it, and `actions`. */
  preview;
  /** Buttons below the preview; the owner of the panel may add some. */
  actions = h("div", { class: "preview-actions" });
  #media;
  #fields;
  /** @type {Device[]} */
  #wanted = [];
  /** @type {Error[]} why something is missing */
  #problems = [];
  /** Only what the last opening found counts. */
  #asked = 0;
  /** What happened to a device that works. */
  #notice = "";
  #video = h("video", { autoplay: true, playsinline: true, muted: true, dataset: { testid: "preview" } });
  #status = h("p", { class: "device-status", role: "status", dataset: { testid: "device-status" } });
  #retry = h("button", { type: "button", dataset: { testid: "device-retry" }, onClick: () => this.#open() }, texts.devices.tryAgain);
  #without = h("button", { type: "button", class: "quiet", dataset: { testid: "device-without" }, onClick: () => this.#goOnWithout() }, texts.devices.goOnWithout);
  /** @type {Record<Device, HTMLButtonElement> | null} */
  #toggles = null;
  #render = () => this.#draw();
  #lost = (/** @type {Event} */ event) => this.#tellLost(/** @type {CustomEvent} */ (event).detail);

  /**
   * @param {import("./local_media.js").LocalMedia} media
   * @param {string} name of the user
   * @param {{toggles?: boolean}} [options] `toggles` false: camera and microphone are not switched here
   */
  constructor(media, name, { toggles = true } = {}) {
    this.#media = media;
    this.#fields = new DeviceFields(media, (promise) => this.#attempt(promise));
    this.#video.muted = true;
    if (toggles) this.#toggles = { microphone: this.#toggle("microphone"), camera: this.#toggle("camera") };
    this.actions.append(this.#retry, this.#without);
    const frame = h("div", { class: "preview-frame" },
      h("span", { class: "avatar", "aria-hidden": "true" }, initials(name)), this.#video,
      h("div", { class: "preview-toggles" }, ...Object.values(this.#toggles ?? {})));
    this.preview = h("section", { class: "preview", "aria-label": texts.devices.preview }, frame, this.#status, this.actions);
    for (const type of ["change", "devices"]) media.addEventListener(type, this.#render);
    media.addEventListener("lost", this.#lost);
  }

  /** The choice of devices. */
  get fields() {
    return this.#fields.element;
  }

  dispose() {
    for (const type of ["change", "devices"]) this.#media.removeEventListener(type, this.#render);
    this.#media.removeEventListener("lost", this.#lost);
    this.#fields.dispose();
    this.#video.srcObject = null;
  }

  /**
   * Shows what is open of these.
   *
   * @param {Device[]} wanted
   */
  show(wanted) {
    this.#wanted = wanted;
    this.#draw();
  }

  /**
   * Opens what is missing of these, but for what the user goes without, and shows it.
   *
   * @param {Device[]} wanted
   */
  open(wanted) {
    this.#wanted = wanted;
    return this.#open();
  }

  /** Shows why something that the panel does not do itself went wrong. @param {unknown} error */
  tell(error) {
    if (!isChangeOfMind(error)) this.#notice = deviceSentence(error);
    this.#draw();
  }

  async #open() {
    this.#problems = [];
    this.#notice = "";
    const missing = this.#wanted.filter((source) => !this.#media.declined.has(source));
    this.#problems = await this.#media.open(missing);
    this.#draw();
  }

  /** @param {Promise<unknown>} promise */
  async #attempt(promise) {
    this.#notice = "";
    await promise.catch((error) => this.tell(error));
  }

  /** @param {Lost} lost */
  #tellLost({ source, name, replacement, error }) {
    const lost = name || texts.sources[source];
    this.#notice = replacement ? texts.devices.replaced(lost, replacement) : texts.devices.unplugged(lost);
    if (error) this.#problems = [error];
    this.#draw();
  }

  #goOnWithout() {
    for (const source of this.#wanted) if (!this.#media.get(source)) this.#media.declined.add(source);
    this.#problems = [];
    this.#notice = "";
    this.#draw();
    this.#toggles?.microphone.focus();
  }

  /** @param {Device} source */
  #toggle(source) {
    const act = () => {
      if (!this.#media.get(source)) {
        this.#media.declined.delete(source);
        return void this.#open();
      }
      this.#media.declined.add(source);
      this.#media.stop(source);
    };
    return h("button", {
      type: "button", class: "preview-toggle", "aria-label": texts.devices.kinds[source], title: texts.devices.kinds[source],
      dataset: { testid: `preview-${source}` }, onClick: act,
    });
  }

  #draw() {
    const has = (/** @type {Device} */ source) => this.#media.get(source) !== null;
    if (this.#wanted.every((source) => has(source) || this.#media.declined.has(source))) this.#problems = [];
    this.#drawVideo();
    for (const [source, button] of Object.entries(this.#toggles ?? {})) {
      drawToggle(button, /** @type {Device} */ (source), has(/** @type {Device} */ (source)));
      button.hidden = !this.#wanted.includes(/** @type {Device} */ (source));
    }
    this.#retry.hidden = this.#without.hidden = this.#problems.length === 0;
    this.#without.hidden ||= !this.#toggles;
    this.#status.classList.toggle("problem", this.#problems.length > 0 || this.#notice !== "");
    setText(this.#status, this.#words());
    this.#fields.render(this.#wanted);
  }

  #drawVideo() {
    const track = this.#media.get("screen") ?? this.#media.get("camera");
    const shown = /** @type {MediaStream | null} */ (this.#video.srcObject)?.getVideoTracks()[0] ?? null;
    if (shown !== track) this.#video.srcObject = track && new MediaStream([track]);
    this.#video.hidden = !track?.enabled;
    this.#video.classList.toggle("mirrored", track !== null && track === this.#media.get("camera"));
  }

  #words() {
    const said = [this.#notice, ...this.#problems.map(deviceSentence)].filter(Boolean);
    if (said.length) return said.join(" ");
    const names = (/** @type {Source[]} */ sources) => sources.map((source) => texts.sources[source]).join(", ");
    const missing = this.#wanted.filter((source) => !this.#media.get(source));
    if (missing.length && this.#media.opening) return texts.devices.asking;
    const open = SHOWN.filter((source) => this.#media.get(source));
    return open.length ? texts.devices.ready(names(open)) : texts.devices.off(names(this.#wanted));
  }
}

/**
 * @param {HTMLButtonElement} button
 * @param {Device} source
 * @param {boolean} on
 */
function drawToggle(button, source, on) {
  setAttribute(button, "aria-pressed", String(on));
  const face = on ? PICTURES[source] : `${PICTURES[source]}_off`;
  if (button.dataset.face === face) return;
  button.dataset.face = face;
  button.replaceChildren(icon(face));
}
