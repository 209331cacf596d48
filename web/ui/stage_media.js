import { isOnStage } from "../lib/index.js";
import { isChangeOfMind } from "./device_help.js";
import { openDeviceSettings } from "./device_settings.js";
import { GreenRoom, holdSound, recallStage, rememberStage } from "./green_room.js";
import { devicesFor } from "./local_media.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Source} Source
 * @typedef {import("../lib/types.js").Role} Role
 * @typedef {import("./local_media.js").Device} Device
 *
 * @typedef {object} Ui
 * @property {(errors: Error[]) => void} problem devices that could not be opened; an empty list when all is well again
 * @property {(text: string) => void} tell something to know for a moment
 * @property {(promise: Promise<unknown>) => void} attempt shows the error if it fails
 */

/** @type {Source[]} */
const SOURCES = ["microphone", "camera", "screen", "screen_audio"];

/**
 * Leads who comes on stage through the green room, publishes what is open, and closes all when the stage is left.
 */
export class StageMedia {
  #room;
  #media;
  #ui;
  /** Whether the user has said that they want to be seen and heard. */
  #ready = false;
  /** @type {{close: () => void} | null} what asks for devices at the moment */
  #dialog = null;
  #publishAll = () => this.#publish();
  #lost = (/** @type {Event} */ event) => this.#deviceLost(/** @type {CustomEvent} */ (event).detail);

  /**
   * @param {Room} room
   * @param {import("./local_media.js").LocalMedia} media
   * @param {Ui} ui
   */
  constructor(room, media, ui) {
    this.#room = room;
    this.#media = media;
    this.#ui = ui;
    room.addEventListener("rolechange", (event) => this.#roleChanged(/** @type {CustomEvent} */ (event).detail));
    room.addEventListener("status", () => room.status === "closed" && this.#dialog?.close());
    media.addEventListener("change", this.#publishAll);
    media.addEventListener("lost", this.#lost);
  }

  dispose() {
    this.#dialog?.close();
    this.#media.removeEventListener("change", this.#publishAll);
    this.#media.removeEventListener("lost", this.#lost);
    this.#media.stop();
  }

  /**
   * Opens devices that are missing, on the user's word also those gone without before.
   *
   * @param {Source[]} sources
   */
  async open(sources) {
    const errors = await this.#media.open(sources);
    if (this.#onStage) this.#ui.problem(errors);
  }

  /** Tries again to open what this session asks for; what the user goes without stays off. */
  retry() {
    return this.open(this.#usual.filter((source) => !this.#media.declined.has(source)));
  }

  async openScreen() {
    try {
      await this.#media.openScreen();
      this.#ui.problem([]);
      if (!this.#media.get("screen_audio")) this.#ui.tell(texts.devices.screenSilent);
    } catch (error) {
      if (!isChangeOfMind(error)) this.#ui.problem([/** @type {Error} */ (error)]);
    }
  }

  /** @param {Source[]} sources */
  close(...sources) {
    this.#media.stop(...sources);
  }

  /** Lets the user choose other devices while they are on stage. */
  openSettings() {
    this.#dialog = openDeviceSettings(this.#media, this.#room.state.you?.name ?? "", this.#usual);
  }

  /** What this session asks of somebody on stage. */
  get #usual() {
    return devicesFor(this.#room.state.session?.session_type ?? "camera");
  }

  get #onStage() {
    const { you } = this.#room.state;
    return you !== null && isOnStage(you.role) && this.#room.status !== "closed";
  }

  /** @param {{from: Role | null, to: Role | null}} change */
  #roleChanged({ from, to }) {
    const before = from !== null && isOnStage(from);
    const now = to !== null && isOnStage(to);
    if (now && !before) this.#comeUp(from);
    else if (!now) this.#goDown();
  }

  /** @param {Role | null} from null: the page was just loaded */
  #comeUp(from) {
    const { you, session } = this.#room.state;
    const without = from === null ? recallStage(session?.id ?? "") : null;
    // A host has seen the preview, and who was on stage before the page was loaded anew wants to stay.
    if (you?.role !== "host" && !without) return void this.#prepare();
    for (const source of without ?? []) this.#media.declined.add(source);
    this.#goOn();
    this.retry();
  }

  async #prepare() {
    const release = holdSound(this.#room);
    const greenRoom = new GreenRoom(this.#media, this.#room.state.you?.name ?? "", this.#usual);
    this.#dialog = greenRoom;
    const answer = await greenRoom.answer;
    release();
    if (answer === "go") {
      if (!this.#media.opening) for (const source of this.#usual) if (!this.#media.get(source)) this.#media.declined.add(source);
      this.#goOn();
      this.#ui.tell(texts.room.onStage);
    } else if (answer === "not_now") {
      this.#media.stop();
      await this.#leave();
    }
  }

  async #leave() {
    const left = this.#room.leaveStage();
    this.#ui.attempt(left);
    try {
      await left;
    } catch {
      // Without a connection nobody was told: the place on stage is kept, and so is the question.
      if (this.#onStage && !this.#ready) this.#prepare();
    }
  }

  #goOn() {
    this.#ready = true;
    this.#publish();
  }

  #goDown() {
    this.#ready = false;
    rememberStage(null);
    this.#dialog?.close();
    this.#media.stop();
    this.#media.declined.clear();
    this.#ui.problem([]);
  }

  /** @param {import("./local_media.js").Lost} lost */
  #deviceLost({ source, name, replacement, error }) {
    if (!this.#onStage || !this.#ready) return;
    const lost = name || texts.sources[source];
    this.#ui.tell(replacement ? texts.devices.replaced(lost, replacement) : texts.devices.unplugged(lost));
    if (error) this.#ui.problem([error]);
  }

  #publish() {
    const sends = this.#onStage && this.#ready;
    if (sends) rememberStage(this.#room.state.session?.id ?? null, this.#media.declined);
    for (const source of SOURCES) {
      const track = sends ? this.#media.get(source) : null;
      // A refusal is told by the room's `publisherror`.
      (track ? this.#room.publish(source, track) : this.#room.unpublish(source)).catch(() => {});
    }
  }
}
