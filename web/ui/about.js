import { face } from "./face.js";
import { h } from "./dom.js";
import { withLinks } from "./links.js";
import { texts, timeOfDay } from "./texts.js";

/**
 * What a session is about, in full.
 *
 * @param {import("../lib/types.js").Session} session
 */
export function about({ title, description, host_name: host, host_user_id: hostId, started_at: since }) {
  return h("div", { class: "menu about", popover: "auto", role: "dialog", tabindex: -1, "aria-label": texts.room.about, dataset: { testid: "about-session" } },
    h("h2", { dir: "auto" }, title),
    h("p", { class: "about-host" }, face(host, hostId), h("span", {}, h("strong", { dir: "auto" }, host), h("span", { class: "muted" }, texts.room.liveSince(timeOfDay(since))))),
    h("p", { class: description ? "about-text" : "about-text muted", dir: "auto" }, ...(description ? withLinks(description) : [texts.room.noDescription])));
}
