import { h, reconcile } from "./dom.js";
import { StageFocus } from "./stage_focus.js";
import { arrange } from "./stage_layout.js";
import { moderationItems, pictureItems } from "./stage_menu.js";
import { StageTile } from "./stage_tile.js";
import { StageVisibility } from "./stage_visibility.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Participant} Participant
 * @typedef {import("./menu.js").MenuItem} MenuItem
 * @typedef {import("./stage_tile.js").Tile} Tile
 */

/** The stage: a tile for everybody on it, and one for each shared screen. */
export class Tiles {
  element = h("section", { class: "stage", "aria-label": texts.room.stage, dataset: { testid: "stage" } });
  #room;
  #local;
  #ui;
  #onBlocked;
  #extras;
  #visibility;
  #focus = new StageFocus();
  /** @type {Map<string, StageTile>} by key */
  #tiles = new Map();
  /** @type {string | null} key of the large tile */
  #large = null;
  #layoutNow = () => this.#layout();
  #resize = new ResizeObserver(this.#layoutNow);

  /**
   * @param {Room} room
   * @param {import("./local_media.js").LocalMedia} local
   * @param {object} options
   * @param {import("./person_actions.js").Ui} options.ui
   * @param {() => void} options.onBlocked the browser wants a click before it plays sound
   * @param {import("./stage_tile.js").CreateExtra[]} [options.extras] what more each tile shows
   */
  constructor(room, local, { ui, onBlocked, extras = [] }) {
    this.#room = room;
    this.#local = local;
    this.#ui = ui;
    this.#onBlocked = onBlocked;
    this.#extras = extras;
    this.#visibility = new StageVisibility(room);
    this.#resize.observe(this.element);
    this.element.addEventListener("dblclick", (event) => this.#doubleClicked(event));
  }

  dispose() {
    this.#resize.disconnect();
    this.#visibility.dispose();
    for (const tile of this.#tiles.values()) tile.dispose();
  }

  unblock() {
    for (const tile of this.#tiles.values()) tile.unblock();
  }

  render() {
    const wanted = this.#wanted();
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, tile] of this.#tiles) if (!keys.has(key)) this.#remove(key, tile);
    this.#large = this.#focus.choose(wanted);
    reconcile(this.element, wanted, ({ key }) => key, (tile) => this.#create(tile), (_, tile) => this.#tiles.get(tile.key)?.update(tile));
    this.#visibility.sync();
    this.#layout();
  }

  /** @returns {Tile[]} */
  #wanted() {
    const { onStage, you } = this.#room.state;
    return onStage.flatMap((participant) => {
      const own = participant.id === you?.id;
      const person = this.#describe(participant, "camera", own);
      const shares = own ? this.#local.get("screen") !== null : this.#room.receiver.find(participant.id, "screen") !== null;
      return shares ? [this.#describe(participant, "screen", own), person] : [person];
    });
  }

  /**
   * @param {Participant} participant
   * @param {"camera" | "screen"} source
   * @param {boolean} own
   * @returns {Tile}
   */
  #describe(participant, source, own) {
    const key = `${participant.id}/${source}`;
    const tracks = own ? this.#ownTracks(source) : this.#remoteTracks(participant, source);
    return { key, participant, source, own, pinned: this.#focus.isPinned(key), ...tracks };
  }

  /** @param {"camera" | "screen"} source */
  #ownTracks(source) {
    const { you } = this.#room.state;
    const dark = source === "camera" && you !== null && (you.video_muted || you.video_locked);
    return { audio: null, video: dark ? null : this.#local.get(source), producerId: null };
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
    return { audio: audio?.track ?? null, video: paused ? null : (video?.track ?? null), producerId: video?.producerId ?? null };
  }

  /** @param {Tile} wanted */
  #create(wanted) {
    const tile = new StageTile(wanted, {
      onBlocked: this.#onBlocked,
      onShape: this.#layoutNow,
      menu: (opened, extras) => this.#menu(opened, extras),
      extras: this.#extras,
    });
    if (!wanted.own) this.#local.output.attach(tile.video);
    this.#tiles.set(wanted.key, tile);
    this.#visibility.add(tile);
    return tile.element;
  }

  /**
   * @param {string} key
   * @param {StageTile} tile
   */
  #remove(key, tile) {
    this.#visibility.remove(tile);
    tile.dispose();
    this.#tiles.delete(key);
  }

  /**
   * @param {StageTile} tile
   * @param {MenuItem[]} extras
   * @returns {MenuItem[]}
   */
  #menu(tile, extras) {
    const { key, participant, source } = tile.tile;
    const options = { large: this.#large === key, pin: () => this.#pin(key), release: () => this.#release(key), ui: this.#ui };
    const moderation = source === "camera" ? moderationItems(this.#room, this.#ui, participant) : [];
    return [...pictureItems(tile, options), ...extras, ...moderation];
  }

  /** @param {string} key */
  #pin(key) {
    this.#focus.pin(key);
    this.render();
  }

  /** @param {string} key */
  #release(key) {
    this.#focus.release(key);
    this.render();
  }

  /** @param {MouseEvent} event */
  #doubleClicked({ target }) {
    const element = /** @type {Element} */ (target);
    const key = /** @type {HTMLElement | null} */ (element.closest(".tile"))?.dataset.key;
    if (!key || element.closest("button, a, .tile-panel")) return;
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.#large === key) this.#release(key);
    else this.#pin(key);
  }

  #layout() {
    const { element } = this;
    const { width, height } = element.getBoundingClientRect();
    // A row is to fit where the stage ends between two pixels, too.
    const box = { width: Math.floor(width), height: Math.floor(height) };
    if (this.#tiles.size === 0 || box.width === 0) return;
    const large = this.#large === null ? null : (this.#tiles.get(this.#large) ?? null);
    let arrangement = arrange(box, this.#tiles.size, large?.aspect ?? null);
    element.classList.toggle("scrolls", arrangement.scrolls);
    if (arrangement.scrolls) {
      const scrollBar = element.offsetWidth - element.clientWidth;
      arrangement = arrange({ ...box, width: box.width - scrollBar }, this.#tiles.size, large?.aspect ?? null);
    }
    this.#apply(arrangement, box, large);
  }

  /**
   * @param {import("./stage_layout.js").Arrangement} arrangement
   * @param {import("./stage_layout.js").Size} box
   * @param {StageTile | null} largeTile
   */
  #apply({ mode, columns, rows, tile, large }, box, largeTile) {
    const { element } = this;
    element.dataset.mode = mode;
    for (const one of this.#tiles.values()) one.element.classList.toggle("large", one === largeTile);
    const lengths = {
      "tile-width": tile.width,
      "tile-height": tile.height,
      "large-width": large?.width ?? tile.width,
      "large-height": large?.height ?? tile.height,
      "large-top": large && mode === "beside" ? Math.max(0, Math.floor((box.height - large.height) / 2)) : 0,
    };
    for (const [name, length] of Object.entries(lengths)) element.style.setProperty(`--${name}`, `${length}px`);
    element.style.setProperty("--columns", String(columns));
    element.style.setProperty("--rows", String(rows));
  }
}
