/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("./stage_tile.js").CreateExtra} CreateExtra
 */

/**
 * Tiles of those who speak get the class `speaking`.
 *
 * @param {Room} room
 * @returns {CreateExtra}
 */
export function speakingExtra(room) {
  return ({ participant, source }, { element }) => {
    if (source !== "camera") return {};
    const mark = () => element.classList.toggle("speaking", room.speakers.current.includes(participant.id));
    room.speakers.addEventListener("change", mark);
    mark();
    return { dispose: () => room.speakers.removeEventListener("change", mark) };
  };
}
