import { find, h, setAttribute } from "./dom.js";
import { glyphOf } from "./reactions.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/types.js").SessionStats} SessionStats
 * @typedef {import("../lib/types.js").Session} Session
 * @typedef {"back" | "again" | "tryAgain" | "reload"} Way what the button of the last page does
 */

/** @type {Record<string, Way>} where there is something better to do than to go away */
const WAYS = { replaced: "again", session_full: "tryAgain", session_locked: "tryAgain", unsupported_protocol: "reload", bad_message: "reload" };

/**
 * Why it is over, and what can be done now.
 *
 * @param {string} reason of the closed connection
 * @param {string} [said] reason of the session's end, where the server told it
 * @returns {{text: string, way: Way}}
 */
export function endingOf(reason, said = "") {
  const { reasons, closed } = texts.ended;
  return { text: reasons[said] ?? reasons[reason] ?? texts.errors[reason] ?? closed(reason), way: WAYS[reason] ?? "back" };
}

/**
 * The page that is shown in place of the room.
 *
 * @param {HTMLElement} notice why it is over
 * @param {Way} way what the notice's button does
 * @param {Session | null} session null for who was never in it
 */
export function endPage(notice, way, session) {
  const why = find(notice, ".notice-text");
  setAttribute(why, "role", "heading");
  setAttribute(why, "aria-level", 1);
  return h("div", { class: "ended" },
    session && h("p", { class: "ended-title muted", dir: "auto" }, texts.ended.title(session.title, session.host_name)),
    notice,
    way !== "back" && h("a", { class: "ended-back", href: "#/" }, texts.ended.back));
}

/**
 * What came of a session.
 *
 * @param {SessionStats} stats
 */
export function statsCard(stats) {
  const says = texts.ended.facts;
  const reactions = Object.values(stats.reactions).reduce((sum, count) => sum + count, 0);
  /** @type {[string, string | number][]} */
  const facts = [
    [says.duration, texts.duration(stats.duration_s)],
    [says.unique_viewers, stats.unique_viewers],
    [says.peak_viewers, stats.peak_viewers],
    [says.guests, stats.guests],
    [says.messages, stats.messages],
    [says.reactions, reactions],
    [says.participation, texts.ended.percent(stats.participation_rate)],
    [says.watch_time, texts.duration(stats.average_watch_time_s)],
  ];
  if (stats.gifts) facts.push([says.gifts, stats.gifts]);
  const number = (/** @type {string | number} */ value) => (typeof value === "number" ? value.toLocaleString(texts.language) : value);
  const told = Object.entries(stats.reactions).filter(([, count]) => count > 0).map(([type, count]) =>
    h("li", { title: texts.reactions.names[type] ?? type },
      h("span", { class: "reaction-glyph", "aria-hidden": "true" }, glyphOf(type)), h("span", { class: "visually-hidden" }, texts.reactions.names[type] ?? type), ` ${number(count)}`));
  return h("section", { class: "ended-stats", "aria-label": texts.ended.stats, dataset: { testid: "session-stats" } },
    h("h2", {}, texts.ended.stats),
    h("dl", { class: "facts" }, ...facts.map(([name, value]) => h("div", { class: "fact" }, h("dt", {}, name), h("dd", {}, number(value))))),
    told.length > 0 && h("ul", { class: "ended-reactions", "aria-label": says.reactions }, ...told));
}
