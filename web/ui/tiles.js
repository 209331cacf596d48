import { find, h, icon, initials, reconcile, setAttribute, setText } from "./dom.js";
import { texts } from "./texts.js";
import { TileMedia } from "./tile_media.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Participant} Participant
 * @typedef {import("../lib/types.js").Source} Source
 * @typedef {{key: string, participant: Participant, source: "camera" | "screen", own: boolean}} Tile
 */

const GAP_PX = 12;
const ASPECT = 16 / 9;
/** Below this the page scrolls and tiles share its width: see the same width in room.css and panel.css. */
const NARROW = matchMedia("(max-width: 900px)");

/** The stage: a tile for everybody on it, and one for each shared screen. */
export class Tiles {
  element = h("section", { class: "stage", "aria-label": texts.room.stage, dataset: { testid: "stage" } });
  #room;
  #local;
  #onBlocked;
  /** @type {Map<string, TileMedia>} */
  #media = new Map();
  #resize = new ResizeObserver(() => this.#layout());

  /**
   * @param {Room} room
   * @param {import("./local_media.js").LocalMedia} local
   * @param {() => void} onBlocked
   */
  constructor(room, local, onBlocked) {
    this.#room = room;
    this.#local = local;
    this.#onBlocked = onBlocked;
    this.#resize.observe(this.element);
  }

  dispose() {
    this.#resize.disconnect();
    for (const media of this.#media.values()) media.dispose();
  }

  unblock() {
    for (const media of this.#media.values()) media.unblock();
  }

  render() {
    const tiles = this.#tiles();
    const keys = new Set(tiles.map((tile) => tile.key));
    for (const [key, media] of this.#media) {
      if (keys.has(key)) continue;
      media.dispose();
      this.#media.delete(key);
    }
    reconcile(this.element, tiles, (tile) => tile.key, (tile) => this.#create(tile), (element, tile) => this.#update(element, tile));
    this.#layout();
  }

  /** @returns {Tile[]} */
  #tiles() {
    const { onStage, you } = this.#room.state;
    return onStage.flatMap((participant) => {
      const own = participant.id === you?.id;
      /** @type {Tile} */
      const person = { key: `${participant.id}/camera`, participant, source: "camera", own };
      const shares = own ? this.#local.get("screen") !== null : this.#room.receiver.find(participant.id, "screen") !== null;
      return shares ? [{ ...person, key: `${participant.id}/screen`, source: "screen" }, person] : [person];
    });
  }

  /** @param {Tile} tile */
  #create({ key, participant, source, own }) {
    const video = h("video", { autoplay: true, playsinline: true, muted: own });
    video.muted = own;
    this.#media.set(key, new TileMedia(video, this.#onBlocked));
    return h("article", {
      class: `tile tile-${source}`,
      dataset: { testid: "tile", participantId: participant.id, source, own: String(own) },
    },
      h("span", { class: "avatar", "aria-hidden": "true" }),
      video,
      h("p", { class: "tile-lost", hidden: true }, texts.tiles.lost),
      h("div", { class: "tile-foot" },
        h("span", { class: "tile-name" }), h("span", { class: "badge" }), h("span", { class: "marks" })));
  }

  /**
   * @param {HTMLElement} element
   * @param {Tile} tile
   */
  #update(element, { key, participant, source, own }) {
    const { audio, video } = own ? this.#ownTracks(source) : this.#remoteTracks(participant, source);
    this.#media.get(key)?.set(audio, video);
    const screen = source === "screen";
    const name = screen ? texts.tiles.screenOf(participant.name) : own ? texts.you(participant.name) : participant.name;
    setAttribute(element, "aria-label", screen ? name : `${name}, ${texts.roles[participant.role]}`);
    setText(find(element, ".tile-name"), name);
    setText(find(element, ".avatar"), initials(participant.name));
    const badge = find(element, ".badge");
    setText(badge, texts.roles[participant.role]);
    badge.className = `badge badge-${participant.role}`;
    badge.hidden = screen;
    find(element, ".tile-lost").hidden = participant.connected;
    element.classList.toggle("lost", !participant.connected);
    element.classList.toggle("has-video", video !== null);
    element.classList.toggle("mirrored", own && !screen);
    element.dataset.audio = markOf(participant.audio_locked, participant.audio_muted);
    element.dataset.video = markOf(participant.video_locked, participant.video_muted);
    updateMarks(find(element, ".marks"), participant, screen);
  }

  /** @param {"camera" | "screen"} source */
  #ownTracks(source) {
    const { you } = this.#room.state;
    const dark = source === "camera" && you !== null && (you.video_muted || you.video_locked);
    return { audio: null, video: dark ? null : this.#local.get(source) };
  }

  /**
   * @param {Participant} participant
   * @param {"camera" | "screen"} source
   */
  #remoteTracks(participant, source) {
    const { receiver } = this.#room;
    const audio = receiver.find(participant.id, source === "camera" ? "microphone" : "screen_audio");
    const video = receiver.find(participant.id, source);
    const paused = participant.sources.some((entry) => entry.source === source && entry.paused);
    return { audio: audio?.track ?? null, video: paused ? null : (video?.track ?? null) };
  }

  #layout() {
    const { clientWidth, clientHeight } = this.element;
    const count = this.element.childElementCount;
    if (count === 0 || clientWidth === 0) return;
    const width = NARROW.matches ? widthInColumns(clientWidth, count > 2 ? 2 : 1) : largestWidth(clientWidth, clientHeight, count);
    this.element.style.setProperty("--tile-width", `${Math.floor(width)}px`);
  }
}

/**
 * @param {number} space
 * @param {number} columns
 */
function widthInColumns(space, columns) {
  return (space - GAP_PX * (columns - 1)) / columns;
}

/**
 * The width of tiles with that number of columns that makes them largest.
 *
 * @param {number} width
 * @param {number} height
 * @param {number} count
 */
function largestWidth(width, height, count) {
  let best = 0;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const byHeight = widthInColumns(height, rows) * ASPECT;
    best = Math.max(best, Math.min(widthInColumns(width, columns), byHeight));
  }
  return best;
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
