import { announce } from "./announce.js";
import { find, h, icon, reconcile, setAttribute, setText } from "./dom.js";
import { updateFacts } from "./statistics_tile.js";
import { factsInAll, factsOfSource, inOneLine } from "./statistics_words.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/statistics_digest.js").RoomStatistics} RoomStatistics
 * @typedef {import("../lib/statistics_digest.js").SourceStatistics} SourceStatistics
 */

/** Facts of a source, as columns. */
const COLUMNS = Object.keys(texts.statistics.ofSource);
const COPIED_MS = 3_000;

/**
 * The connection in numbers, beside the stage and renewed every second. Nothing of it speaks up by itself: a screen reader reads the numbers when
 * its user goes there.
 */
export class StatisticsPanel {
  /** Opens and closes it. */
  button = h("button", {
    type: "button", class: "small with-icon statistics-button", "aria-label": texts.statistics.title, title: texts.statistics.title, "aria-haspopup": "dialog",
    "aria-expanded": "false", dataset: { testid: "statistics" }, onClick: () => (this.#stop ? this.close() : this.#open()),
  }, icon("info"));
  #room;
  /** @type {RoomStatistics | null} */
  #latest = null;
  /** @type {(() => void) | null} while it is open */
  #stop = null;
  #facts = h("dl", { class: "statistics-facts" });
  #rows = h("tbody", {});
  #copyLabel = h("span", {}, texts.statistics.copy);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #copiedTimer;
  #panel = this.#create();

  /** @param {Room} room */
  constructor(room) {
    this.#room = room;
  }

  close() {
    if (!this.#stop) return;
    this.#stop();
    this.#stop = null;
    const hadFocus = this.#panel.contains(document.activeElement);
    this.#panel.remove();
    setAttribute(this.button, "aria-expanded", "false");
    if (hadFocus) this.button.focus();
  }

  #open() {
    document.body.append(this.#panel);
    this.#panel.showPopover();
    setAttribute(this.button, "aria-expanded", "true");
    this.#stop = this.#room.statistics.watch((statistics) => this.#show(statistics));
    this.#panel.focus();
  }

  #create() {
    const columns = [texts.statistics.source, ...Object.values(texts.statistics.ofSource)];
    return h("div", {
      class: "statistics", popover: "manual", role: "dialog", "aria-labelledby": "statistics-title", tabindex: -1,
      dataset: { testid: "statistics-panel" }, onKeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    },
      h("div", { class: "statistics-head" },
        h("h2", { id: "statistics-title" }, texts.statistics.title),
        h("button", { type: "button", class: "small with-icon", dataset: { testid: "copy-statistics" }, onClick: () => this.#copy() }, icon("copy"), this.#copyLabel),
        h("button", { type: "button", class: "quiet", "aria-label": texts.close, title: texts.close, onClick: () => this.close() }, icon("close"))),
      this.#facts,
      h("div", { class: "statistics-table", role: "region", "aria-labelledby": "statistics-caption", tabindex: 0 },
        h("table", {},
          h("caption", { id: "statistics-caption", class: "visually-hidden" }, texts.statistics.table),
          h("thead", {}, h("tr", {}, ...columns.map((says) => h("th", { scope: "col" }, says)))),
          this.#rows)));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    this.close();
  }

  /** @param {RoomStatistics} statistics */
  #show(statistics) {
    this.#latest = statistics;
    updateFacts(this.#facts, factsInAll(statistics));
    reconcile(this.#rows, this.#inOrder(statistics), keyOf, () => this.#createRow(), (row, source) => this.#updateRow(row, source));
  }

  /** @param {RoomStatistics} statistics own sources first, then as on the stage */
  #inOrder({ sources }) {
    const order = new Map(this.#room.state.onStage.map(({ id }, place) => [id, place]));
    const placeOf = (/** @type {SourceStatistics} */ source) => (source.own ? -1 : (order.get(source.participantId) ?? order.size));
    return [...sources].sort((a, b) => placeOf(a) - placeOf(b));
  }

  #createRow() {
    return h("tr", {}, h("th", { scope: "row" }), ...COLUMNS.map((name) => h("td", { dataset: { fact: name } })));
  }

  /**
   * @param {HTMLElement} row
   * @param {SourceStatistics} source
   */
  #updateRow(row, source) {
    setText(find(row, "th"), this.#nameOf(source));
    for (const { name, value } of factsOfSource(source)) setText(find(row, `[data-fact=${name}]`), value);
  }

  /** @param {SourceStatistics} source */
  #nameOf({ participantId, source, own }) {
    const name = this.#room.state.participants.get(participantId)?.name ?? "";
    return texts.statistics.sourceOf(own ? texts.you(name) : name, texts.sources[source]);
  }

  async #copy() {
    const text = this.#text();
    try {
      await navigator.clipboard.writeText(text);
      setText(this.#copyLabel, texts.statistics.copied);
      announce(texts.statistics.copied);
    } catch {
      this.#offer(text);
    }
    clearTimeout(this.#copiedTimer);
    this.#copiedTimer = setTimeout(() => setText(this.#copyLabel, texts.statistics.copy), COPIED_MS);
  }

  /** Where the page may not write to the clipboard its reader copies by hand. @param {string} text */
  #offer(text) {
    const field = h("textarea", { readonly: true, rows: 6, "aria-label": texts.statistics.title, class: "statistics-text" });
    field.value = text;
    this.#panel.querySelector(".statistics-text")?.remove();
    this.#facts.before(field);
    field.select();
  }

  /** For a report of a problem. */
  #text() {
    const { session } = this.#room.state;
    const statistics = this.#latest;
    const lines = [
      texts.statistics.title,
      new Date(statistics?.at ?? Date.now()).toISOString(),
      `${location.origin} ${session?.id ?? ""}`,
      navigator.userAgent,
    ];
    if (statistics) {
      lines.push(...factsInAll(statistics).map(({ says, value }) => `${says}: ${value}`));
      lines.push(...this.#inOrder(statistics).map((source) => `${this.#nameOf(source)}: ${inOneLine(factsOfSource(source))}`));
    }
    return `${lines.join("\n")}\n`;
  }
}

/** @param {SourceStatistics} source */
function keyOf({ participantId, producerId, source }) {
  return `${participantId}/${producerId}/${source}`;
}
