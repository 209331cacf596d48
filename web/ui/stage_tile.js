import { find, h, icon, initials, reconcile, setAttribute, setText } from "./dom.js";
import { inColourOf } from "./face.js";
import { menuButton } from "./menu.js";
import { texts } from "./texts.js";
import { TileMedia } from "./tile_media.js";

/**
 * @typedef {import("../lib/types.js").Participant} Participant
 * @typedef {import("./menu.js").MenuItem} MenuItem
 *
 * @typedef {object} Tile what a tile shows
 * @property {string} key
 * @property {Participant} participant
 * @property {"camera" | "screen"} source
 * @property {boolean} own
 * @property {MediaStreamTrack | null} audio
 * @property {MediaStreamTrack | null} video
 * @property {string | null} producerId of the picture, where it comes from the server
 * @property {boolean} pinned
 *
 * @typedef {object} TileSlots where what is not the stage's own business goes
 * @property {HTMLElement} element the tile, for classes
 * @property {HTMLElement} signs at the upper left: marks of a tile, a line of them
 * @property {HTMLElement} panel covers the tile while something is in it
 *
 * @typedef {object} TileExtra something more about a tile; there is one for each
 * @property {(tile: Tile) => void} [update]
 * @property {() => MenuItem[]} [menu] asked for whenever the tile's menu opens
 * @property {() => void} [dispose]
 *
 * @typedef {(tile: Tile, slots: TileSlots) => TileExtra} CreateExtra
 */

/** One tile of the stage: a picture or an avatar, a name, marks, a menu. */
export class StageTile {
  element;
  video;
  #media;
  #extras;
  /** @type {Tile} */
  #tile;

  /**
   * @param {Tile} tile
   * @param {object} options
   * @param {() => void} options.onBlocked the browser wants a click before it plays sound
   * @param {() => void} options.onShape the picture has another width or height
   * @param {(tile: StageTile, extras: MenuItem[]) => MenuItem[]} options.menu what it has, given what the extras have for it
   * @param {CreateExtra[]} options.extras
   */
  constructor(tile, { onBlocked, onShape, menu, extras }) {
    const { participant, source, own } = (this.#tile = tile);
    this.video = h("video", { autoplay: true, playsinline: true, muted: own });
    this.video.muted = own;
    this.video.addEventListener("resize", () => this.#shapeChanged(onShape));
    this.#media = new TileMedia(this.video, onBlocked);
    const signs = h("div", { class: "tile-signs" }, h("span", { class: "pin-mark", hidden: true }, icon("pin", texts.tiles.pinned)));
    const panel = h("div", { class: "tile-panel" });
    const button = menuButton(texts.tiles.menu(this.#name), () => menu(this, this.#extras.flatMap((extra) => extra.menu?.() ?? [])));
    button.dataset.testid = "tile-menu";
    this.element = h("article", {
      class: `tile tile-${source}`,
      dataset: { testid: "tile", participantId: participant.id, source, own: String(own) },
    },
      h("span", { class: "avatar", "aria-hidden": "true" }),
      this.video,
      h("p", { class: "tile-lost", hidden: true }, texts.tiles.lost),
      panel,
      signs,
      h("div", { class: "tile-foot" },
        h("span", { class: "tile-name", dir: "auto" }), h("span", { class: "badge" }), h("span", { class: "marks" })),
      button);
    inColourOf(participant.user_id, this.element);
    this.#extras = extras.map((create) => create(tile, { element: this.element, signs, panel }));
  }

  get tile() {
    return this.#tile;
  }

  /** Width to height of the picture; that of most cameras where there is none. */
  get aspect() {
    const { videoWidth, videoHeight } = this.video;
    return this.#tile.video && videoHeight > 0 ? videoWidth / videoHeight : 16 / 9;
  }

  dispose() {
    this.#media.dispose();
    for (const extra of this.#extras) extra.dispose?.();
  }

  /** After a click: sound may be played now. */
  unblock() {
    this.#media.unblock();
  }

  /** @param {Tile} tile */
  update(tile) {
    this.#tile = tile;
    const { participant, own, audio, video, pinned } = tile;
    this.#media.set(audio, video);
    const screen = tile.source === "screen";
    const name = this.#name;
    const who = screen ? name : `${name}, ${texts.roles[participant.role]}`;
    setAttribute(this.element, "aria-label", pinned ? `${who}, ${texts.tiles.pinned}` : who);
    setText(find(this.element, ".tile-name"), name);
    setText(find(this.element, ".avatar"), initials(participant.name));
    const badge = find(this.element, ".badge");
    setText(badge, texts.roles[participant.role]);
    setAttribute(badge, "class", `badge badge-${participant.role}`);
    badge.hidden = screen;
    find(this.element, ".pin-mark").hidden = !pinned;
    find(this.element, ".tile-lost").hidden = participant.connected;
    const button = find(this.element, "[data-testid=tile-menu]");
    setAttribute(button, "aria-label", texts.tiles.menu(name));
    setAttribute(button, "title", texts.tiles.menu(name));
    this.element.classList.toggle("lost", !participant.connected);
    this.element.classList.toggle("has-video", video !== null);
    this.element.classList.toggle("mirrored", own && !screen);
    this.element.dataset.audio = markOf(participant.audio_locked, participant.audio_muted);
    this.element.dataset.video = markOf(participant.video_locked, participant.video_muted);
    updateMarks(find(this.element, ".marks"), participant, screen);
    for (const extra of this.#extras) extra.update?.(tile);
  }

  get #name() {
    const { participant, source, own } = this.#tile;
    if (source === "screen") return texts.tiles.screenOf(participant.name);
    return own ? texts.you(participant.name) : participant.name;
  }

  /** @param {() => void} onShape */
  #shapeChanged(onShape) {
    this.element.classList.toggle("upright", this.aspect < 1);
    onShape();
  }
}

/**
 * @param {boolean} locked
 * @param {boolean} muted
 */
function markOf(locked, muted) {
  return locked ? "locked" : muted ? "muted" : "on";
}

/**
 * @param {HTMLElement} element
 * @param {Participant} participant
 * @param {boolean} screen
 */
function updateMarks(element, participant, screen) {
  /** @type {{key: string, name: string, label: string}[]} */
  const marks = [];
  if (!screen) {
    addMark(marks, "mic_off", participant.audio_locked, participant.audio_muted);
    addMark(marks, "camera_off", participant.video_locked, participant.video_muted);
  }
  reconcile(element, marks, (mark) => mark.key, ({ name, label, key }) => createMark(name, label, key.endsWith("host")), () => {});
}

/**
 * @param {{key: string, name: string, label: string}[]} marks
 * @param {"mic_off" | "camera_off"} name
 * @param {boolean} locked
 * @param {boolean} muted
 */
function addMark(marks, name, locked, muted) {
  if (locked) marks.push({ key: `${name}-host`, name, label: texts.tiles.offByHost[name] });
  else if (muted) marks.push({ key: `${name}-self`, name, label: texts.tiles.off[name] });
}

/**
 * @param {string} name
 * @param {string} label
 * @param {boolean} byHost
 */
function createMark(name, label, byHost) {
  const mark = h("span", { class: byHost ? "mark by-host" : "mark", title: label }, icon(name, label));
  if (byHost) mark.append(icon("lock"));
  return mark;
}
