import { find, h, icon, reconcile, setText } from "./dom.js";
import { factsOfSource } from "./statistics_words.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/statistics_digest.js").SourceStatistics} SourceStatistics
 * @typedef {import("../lib/types.js").Source} Source
 * @typedef {import("./stage_tile.js").CreateExtra} CreateExtra
 */

/** @type {Record<"camera" | "screen", Source[]>} what a tile shows and plays */
const SOURCES = { camera: ["camera", "microphone"], screen: ["screen", "screen_audio"] };

/**
 * Numbers over a tile, from its menu.
 *
 * @param {Room} room
 * @returns {CreateExtra}
 */
export function statisticsExtra(room) {
  return ({ participant, source }, { element, panel }) => {
    const list = h("div", { class: "tile-statistics-sources" });
    const close = () => {
      stop();
      const hadFocus = box.contains(document.activeElement);
      box.remove();
      if (hadFocus) find(element, "[data-testid=tile-menu]").focus();
    };
    const box = h("section", {
      class: "tile-statistics", "aria-label": texts.statistics.title, tabindex: -1, dataset: { testid: "tile-statistics" },
      onKeydown: (/** @type {KeyboardEvent} */ { key }) => key === "Escape" && close(),
    },
      list,
      h("button", { type: "button", class: "quiet tile-statistics-close", "aria-label": texts.statistics.hide, title: texts.statistics.hide, onClick: close }, icon("close")));
    let stop = () => {};
    const open = () => {
      panel.append(box);
      stop = room.statistics.watch(({ sources }) => {
        const shown = sources.filter((each) => each.participantId === participant.id && SOURCES[source].includes(each.source));
        reconcile(list, shown, keyOf, createSource, updateSource);
      });
      box.focus();
    };
    return {
      menu: () => [{ id: "statistics", icon: "info", text: box.isConnected ? texts.statistics.hide : texts.statistics.title, act: box.isConnected ? close : open }],
      dispose: close,
    };
  };
}

/** @param {SourceStatistics} source */
function keyOf({ producerId, source }) {
  return `${producerId}/${source}`;
}

/** @param {SourceStatistics} source */
function createSource(source) {
  return h("div", {}, h("h3", {}, texts.sources[source.source]), h("dl", {}));
}

/**
 * @param {HTMLElement} element
 * @param {SourceStatistics} source
 */
function updateSource(element, source) {
  updateFacts(/** @type {HTMLElement} */ (element.lastElementChild), factsOfSource(source).filter(({ name }) => isFor(source, name)));
}

/** A sound has no picture. @param {SourceStatistics} source @param {string} name */
function isFor({ kind }, name) {
  return kind === "video" || !["resolution", "frames"].includes(name);
}

/**
 * @param {HTMLElement} list a `dl`
 * @param {import("./statistics_words.js").Fact[]} facts
 */
export function updateFacts(list, facts) {
  reconcile(list, facts, ({ name }) => name, ({ name, says }) => h("div", { dataset: { fact: name } }, h("dt", {}, says), h("dd", {})),
    (element, { value }) => setText(/** @type {HTMLElement} */ (element.lastElementChild), value));
}
