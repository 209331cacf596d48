import { isOnStage } from "../lib/index.js";
import { devicesFor } from "./local_media.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Source} Source
 * @typedef {import("../lib/types.js").Role} Role
 */

/** @type {Source[]} */
const SOURCES = ["microphone", "camera", "screen", "screen_audio"];

/**
 * Opens the devices of who comes on stage, publishes what is open, and closes all when the stage is left.
 */
export class StageMedia {
  #room;
  #media;
  #onProblem;
  #publishAll = () => this.#publish();

  /**
   * @param {Room} room
   * @param {import("./local_media.js").LocalMedia} media
   * @param {(errors: Error[]) => void} onProblem devices that could not be opened; an empty list when all is well again
   */
  constructor(room, media, onProblem) {
    this.#room = room;
    this.#media = media;
    this.#onProblem = onProblem;
    room.addEventListener("rolechange", (event) => this.#roleChanged(/** @type {CustomEvent} */ (event).detail));
    media.addEventListener("change", this.#publishAll);
  }

  dispose() {
    this.#media.removeEventListener("change", this.#publishAll);
    this.#media.stop();
  }

  /**
   * Opens devices that are missing, on the user's word also those gone without before.
   *
   * @param {Source[]} sources
   */
  async open(sources) {
    const errors = await this.#media.open(sources);
    if (this.#onStage) this.#onProblem(errors);
    else this.#media.stop();
  }

  async openScreen() {
    try {
      await this.#media.openScreen();
      this.#onProblem([]);
    } catch (error) {
      this.#onProblem([/** @type {Error} */ (error)]);
    }
  }

  /** @param {Source[]} sources */
  close(...sources) {
    this.#media.stop(...sources);
  }

  /** What this session asks of somebody on stage. */
  get usual() {
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
    if (now && !before) {
      this.#publish();
      this.open(this.usual.filter((source) => !this.#media.declined.has(source)));
    } else if (before && !now) {
      this.#media.stop();
      this.#media.declined.clear();
      this.#onProblem([]);
    }
  }

  #publish() {
    for (const source of SOURCES) {
      const track = this.#onStage ? this.#media.get(source) : null;
      // A refusal is told by the room's `publisherror`.
      (track ? this.#room.publish(source, track) : this.#room.unpublish(source)).catch(() => {});
    }
  }
}
