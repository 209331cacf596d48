import { isModerator } from "../lib/index.js";
import { h, reconcile } from "./dom.js";
import { face } from "./face.js";
import { texts } from "./texts.js";

/** @typedef {import("../lib/types.js").Ban} Ban */

/** Who is banned, read when somebody looks. */
export class Bans {
  #room;
  #sessionId;
  #ui;
  #list = h("ul", { class: "rows", dataset: { testid: "bans" } });
  element = h("details", { class: "box bans", onToggle: () => this.#load() }, h("summary", {}, texts.people.banned), this.#list);

  /**
   * @param {import("../lib/index.js").Room} room
   * @param {string} sessionId
   * @param {import("./person_actions.js").Ui} ui
   */
  constructor(room, sessionId, ui) {
    this.#room = room;
    this.#sessionId = sessionId;
    this.#ui = ui;
  }

  render() {
    const { you } = this.#room.state;
    this.element.hidden = you === null || !isModerator(you.role);
  }

  #load() {
    if (this.element.open) this.#ui.attempt(this.#show());
  }

  async #show() {
    const { bans } = await this.#room.api.bans(this.#sessionId);
    reconcile(this.#list, bans, (ban) => ban.user_id, (ban) => this.#create(ban), () => {});
    if (bans.length === 0) this.#list.replaceChildren(h("li", { class: "muted" }, texts.people.nobodyBanned));
  }

  /** @param {Ban} ban */
  #create({ user_id: userId, name, reason }) {
    const lift = () => this.#ui.attempt(this.#room.unban(userId).then(() => this.#show()));
    return h("li", { class: "row", dataset: { testid: "ban-row", userId } },
      h("div", { class: "row-head" }, face(name, userId), h("div", { class: "row-who" }, h("span", { class: "row-name", dir: "auto" }, name)),
        h("button", { type: "button", class: "small", "aria-label": texts.people.unbanWhom(name), onClick: lift }, texts.people.unban)),
      reason && h("p", { class: "request-message", dir: "auto" }, reason));
  }
}
