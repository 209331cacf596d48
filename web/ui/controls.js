import { isOnStage } from "../lib/index.js";
import { confirmStep } from "./confirm.js";
import { h, icon, reconcile, setAttribute } from "./dom.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Kind} Kind
 * @typedef {{id: string, icon: string, text: string, label: string, class?: string, disabled?: boolean, act: () => void}} Control
 *   the label says what a press does
 */

/** The bar below the stage: own devices, and the ways out. */
export class Controls {
  element = h("div", { class: "controls", role: "group", "aria-label": texts.controls.label });
  #room;
  #media;
  #stage;
  #attempt;
  /** @type {Map<string, Control>} */
  #current = new Map();

  /**
   * @param {Room} room
   * @param {import("./local_media.js").LocalMedia} media
   * @param {import("./stage_media.js").StageMedia} stage
   * @param {(promise: Promise<unknown>) => void} attempt shows the error if it fails
   */
  constructor(room, media, stage, attempt) {
    this.#room = room;
    this.#media = media;
    this.#stage = stage;
    this.#attempt = attempt;
  }

  render() {
    const controls = this.#controls();
    this.#current = new Map(controls.map((control) => [control.id, control]));
    reconcile(this.element, controls, ({ id }) => id, ({ id }) => this.#create(id), updateControl);
  }

  /** @param {string} id */
  #create(id) {
    return h("button", { type: "button", dataset: { testid: id }, onClick: () => this.#current.get(id)?.act() });
  }

  /** @returns {Control[]} */
  #controls() {
    const { you, session } = this.#room.state;
    if (!you || !session) return [];
    const controls = [];
    if (isOnStage(you.role)) {
      controls.push(this.#microphone());
      if (session.session_type === "camera" || this.#media.get("camera")) controls.push(this.#camera());
      if (session.session_type !== "audio" && canShareScreen()) controls.push(this.#screen());
      controls.push({ id: "device-settings", icon: "sliders", text: texts.devices.open, label: texts.devices.openLabel, act: () => this.#stage.openSettings() });
    }
    if (you.role === "guest" || you.role === "cohost") {
      controls.push({ id: "leave-stage", icon: "down", text: texts.controls.leaveStage, label: texts.controls.leaveStage, class: "leave-stage", act: () => this.#attempt(this.#room.leaveStage()) });
    }
    controls.push(you.role === "host" ? this.#end() : this.#leave());
    return controls;
  }

  #microphone() {
    const { you } = this.#room.state;
    return this.#device("toggle-mic", "audio", "microphone", "mic", texts.controls.microphone,
      you?.audio_locked ?? false, you?.audio_muted ?? false);
  }

  #camera() {
    const { you } = this.#room.state;
    return this.#device("toggle-camera", "video", "camera", "camera", texts.controls.camera,
      you?.video_locked ?? false, you?.video_muted ?? false);
  }

  /**
   * @param {string} id
   * @param {Kind} kind
   * @param {"camera" | "microphone"} source
   * @param {string} picture
   * @param {{text: string, on: string, off: string, locked: string}} says
   * @param {boolean} locked
   * @param {boolean} muted
   * @returns {Control}
   */
  #device(id, kind, source, picture, says, locked, muted) {
    const missing = this.#media.get(source) === null;
    const off = locked || muted || missing;
    const act = () => {
      if (missing) this.#stage.open([source]);
      if (!missing || muted) this.#attempt(muted ? this.#room.unmute(kind) : this.#room.mute(kind));
    };
    const label = locked ? says.locked : off ? says.on : says.off;
    return { id, icon: off ? `${picture}_off` : picture, text: says.text, label, class: off ? "off" : "on", disabled: locked, act };
  }

  /** @returns {Control} */
  #screen() {
    const sharing = this.#media.get("screen") !== null;
    const act = () => (sharing ? this.#stage.close("screen", "screen_audio") : void this.#stage.openScreen());
    const label = sharing ? texts.controls.stopSharingLabel : texts.controls.shareLabel;
    return { id: "toggle-screen", icon: "screen", text: sharing ? texts.controls.stopSharing : texts.controls.share, label, class: sharing ? "on sharing" : "on", act };
  }

  /** @returns {Control} */
  #end() {
    const act = async () => {
      const question = { title: texts.controls.endQuestion, text: texts.controls.endText, action: texts.controls.endLabel };
      if (await confirmStep(question)) this.#attempt(this.#room.end());
    };
    return { id: "end", icon: "stop", text: texts.controls.end, label: texts.controls.endLabel, class: "danger", act };
  }

  /** @returns {Control} */
  #leave() {
    const act = () => this.#attempt(this.#room.leave());
    return { id: "leave", icon: "leave", text: texts.controls.leave, label: texts.controls.leaveLabel, class: "leave", act };
  }
}

function canShareScreen() {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

/**
 * @param {HTMLElement} button
 * @param {Control} control
 */
function updateControl(button, control) {
  button.className = `control ${control.class ?? ""}`;
  setAttribute(button, "aria-label", control.label);
  setAttribute(button, "title", control.label);
  setAttribute(button, "disabled", control.disabled ?? false);
  const face = `${control.icon} ${control.text}`;
  if (button.dataset.face === face) return;
  button.dataset.face = face;
  button.replaceChildren(icon(control.icon), h("span", {}, control.text));
}
