import { DevicePanel } from "./device_panel.js";
import { h } from "./dom.js";
import { recall, remember } from "./tab_storage.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Source} Source
 * @typedef {"go" | "not_now" | "over"} Answer `over`: nobody is waited for any more
 */

/** Where this tab is on stage, and with what: who loads the page anew need not say twice that they want to be seen. */
const ON_STAGE_KEY = "greenroom.onstage";

/**
 * The step between being let on stage and being seen there: devices are chosen and tried, nothing is sent.
 */
export class GreenRoom {
  /** @type {Promise<Answer>} */
  answer;
  #dialog;
  #panel;

  /**
   * @param {import("./local_media.js").LocalMedia} media
   * @param {string} name of the user
   * @param {import("./local_media.js").Device[]} wanted
   */
  constructor(media, name, wanted) {
    this.#panel = new DevicePanel(media, name);
    const says = texts.greenRoom;
    // What takes the focus is no button: the dialog comes while somebody may be typing in the chat.
    const title = h("h2", { id: "green-room-title", tabindex: -1, autofocus: true }, says.title);
    const answer = (/** @type {Answer} */ value) => () => this.#dialog.close(value);
    this.#dialog = h("dialog", { class: "device-dialog green-room", "aria-labelledby": "green-room-title", "aria-describedby": "green-room-hint", dataset: { testid: "green-room" } },
      title,
      h("p", { class: "muted", id: "green-room-hint" }, says.hint),
      h("div", { class: "devices" }, this.#panel.preview, this.#panel.fields),
      h("div", { class: "dialog-buttons" },
        h("button", { type: "button", dataset: { testid: "not-now" }, onClick: answer("not_now") }, says.notNow),
        h("button", { type: "button", class: "primary", dataset: { testid: "go-on-stage" }, onClick: answer("go") }, says.go)));
    this.answer = new Promise((resolve) => {
      this.#dialog.addEventListener("close", () => resolve(this.#closed()), { once: true });
    });
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    this.#panel.open(wanted);
  }

  close() {
    this.#dialog.close("over");
  }

  /** @returns {Answer} */
  #closed() {
    const { returnValue } = this.#dialog;
    this.#panel.dispose();
    this.#dialog.remove();
    return returnValue === "go" || returnValue === "over" ? returnValue : "not_now";
  }
}

/**
 * Silences what arrives, without stopping it.
 *
 * @param {Room} room
 * @returns {() => void} lets it be heard again
 */
export function holdSound(room) {
  /** @type {Set<MediaStreamTrack>} a track may leave the room meanwhile, and come back as somebody else's */
  const held = new Set();
  const hold = () => {
    for (const { track } of room.receiver.tracks.values()) {
      if (track.kind !== "audio") continue;
      track.enabled = false;
      held.add(track);
    }
  };
  room.addEventListener("trackadded", hold);
  hold();
  return () => {
    room.removeEventListener("trackadded", hold);
    for (const track of held) track.enabled = true;
  };
}

/**
 * @param {string} sessionId
 * @returns {Source[] | null} what the user went without when they were on its stage in this tab; null where they were not
 */
export function recallStage(sessionId) {
  try {
    const { session, without } = JSON.parse(recall(ON_STAGE_KEY) ?? "{}");
    return session === sessionId ? without : null;
  } catch {
    return null;
  }
}

/**
 * @param {string | null} sessionId null: on none
 * @param {Iterable<Source>} [without]
 */
export function rememberStage(sessionId, without = []) {
  remember(ON_STAGE_KEY, sessionId && JSON.stringify({ session: sessionId, without: [...without] }));
}
