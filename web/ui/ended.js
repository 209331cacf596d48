import { h } from "./dom.js";
import { texts } from "./texts.js";

/** @typedef {import("../lib/types.js").SessionStats} SessionStats */

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
  return h("section", { class: "ended-stats", "aria-label": texts.ended.stats, dataset: { testid: "session-stats" } },
    h("h2", {}, texts.ended.stats),
    h("dl", { class: "facts" }, ...facts.map(([name, value]) => h("div", { class: "fact" }, h("dt", {}, name), h("dd", {}, number(value))))));
}
