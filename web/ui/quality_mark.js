import { h, icon } from "./dom.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("./stage_tile.js").CreateExtra} CreateExtra
 */

/**
 * Tiles say how good the connection of their person is, once something is known. A good one shows itself only when somebody looks for it.
 *
 * @param {Room} room
 * @returns {CreateExtra}
 */
export function qualityExtra(room) {
  return ({ participant, source, own }, { signs }) => {
    if (source !== "camera") return {};
    const mark = h("span", { class: "quality", hidden: true, dataset: { testid: "quality" } });
    signs.append(mark);
    const show = () => {
      const grade = room.quality.of(participant.id);
      mark.hidden = grade === null;
      if (!grade || mark.dataset.grade === grade) return;
      mark.dataset.grade = grade;
      const says = own ? texts.quality.own[grade] : texts.quality.others[grade];
      mark.title = says;
      mark.replaceChildren(icon(`signal_${grade}`, says));
    };
    room.quality.addEventListener("change", show);
    show();
    return { dispose: () => room.quality.removeEventListener("change", show) };
  };
}
