import { isModerator } from "../lib/index.js";
import { Bans } from "./bans.js";
import { find, h, icon, reconcile, setAttribute, setText } from "./dom.js";
import { face } from "./face.js";
import { actionsOn, perform } from "./person_actions.js";
import { Requests } from "./requests.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Participant} Participant
 * @typedef {import("./person_actions.js").PersonAction} PersonAction
 * @typedef {import("./person_actions.js").Ui} Ui
 */

/** @type {Partial<Record<PersonAction, string>>} actions that are a picture only */
const PICTURES = { mute_audio: "mic", unmute_audio: "mic_off", mute_video: "camera", unmute_video: "camera_off" };
const DANGEROUS = new Set(["kick", "ban"]);

/** Who is there, and for host and cohosts what can be done about it. */
export class People {
  element = h("div", { class: "people" });
  #room;
  #ui;
  #requests;
  #bans;
  #stage = h("ul", { class: "rows", dataset: { testid: "people" } });
  #viewers = h("ul", { class: "rows", dataset: { testid: "viewers" } });
  #viewersBox;
  #muteAll;
  /** @type {Set<string>} participants whose further actions are shown */
  #opened = new Set();

  /**
   * @param {Room} room
   * @param {string} sessionId
   * @param {Ui} ui
   */
  constructor(room, sessionId, ui) {
    this.#room = room;
    this.#ui = ui;
    this.#requests = new Requests(room, ui);
    this.#bans = new Bans(room, sessionId, ui);
    this.#muteAll = h("button", { type: "button", class: "small with-icon", dataset: { testid: "mute-all" }, onClick: () => this.#muteEverybody() },
      icon("mic_off"), texts.people.muteAll);
    this.#viewersBox = h("section", { class: "box" }, h("h2", {}, texts.people.viewers), this.#viewers);
    this.element.append(
      this.#requests.element,
      h("section", { class: "box" }, h("div", { class: "box-head" }, h("h2", {}, texts.people.stage), this.#muteAll), this.#stage),
      this.#viewersBox,
      this.#bans.element,
    );
  }

  render() {
    const { you, onStage, viewers } = this.#room.state;
    if (!you) return;
    const moderator = isModerator(you.role);
    this.#requests.render();
    this.#bans.render();
    this.#muteAll.hidden = !moderator || !onStage.some(({ role }) => role === "guest" || (role === "cohost" && you.role === "host"));
    this.#viewersBox.hidden = !moderator || viewers.length === 0;
    this.#renderRows(this.#stage, onStage);
    this.#renderRows(this.#viewers, moderator ? viewers : []);
  }

  #muteEverybody() {
    this.#ui.attempt(this.#room.muteAll().then((count) => this.#ui.tell(texts.people.mutedAll(count))));
  }

  /**
   * @param {HTMLElement} list
   * @param {Participant[]} participants
   */
  #renderRows(list, participants) {
    reconcile(list, participants, ({ id }) => id, (participant) => this.#createRow(participant), (row, participant) => this.#updateRow(row, participant));
  }

  /** @param {Participant} participant */
  #createRow({ id, name }) {
    const more = h("button", {
      type: "button", class: "quiet small more", "aria-label": texts.people.moreAbout(name), title: texts.people.more,
      dataset: { testid: "more-actions" }, onClick: () => this.#toggle(id),
    }, icon("more"));
    return h("li", { class: "row", dataset: { testid: "participant-row", participantId: id } },
      h("div", { class: "row-head" }, face(name),
        h("div", { class: "row-who" }, h("span", { class: "row-name", dir: "auto" }), h("span", { class: "badge" })),
        h("span", { class: "row-mark", title: texts.people.silenced, hidden: true }, icon("chat_off", texts.people.silenced)),
        h("div", { class: "row-quick" }), more),
      h("div", { class: "row-actions" }));
  }

  /** @param {string} id */
  #toggle(id) {
    if (!this.#opened.delete(id)) this.#opened.add(id);
    this.render();
  }

  /**
   * @param {HTMLElement} row
   * @param {Participant} participant
   */
  #updateRow(row, participant) {
    const { you, invitations } = this.#room.state;
    if (!you) return;
    const own = participant.id === you.id;
    const name = own ? texts.you(participant.name) : participant.connected ? participant.name : texts.people.connectionLost(participant.name);
    setText(find(row, ".row-name"), name);
    setText(find(row, ".badge"), texts.roles[participant.role]);
    find(row, ".badge").className = `badge badge-${participant.role}`;
    find(row, ".row-mark").hidden = !participant.chat_silenced;
    setAttribute(row, "data-role", participant.role);
    const { quick, more } = actionsOn(participant, you, invitations.find((request) => request.participant_id === participant.id));
    const open = this.#opened.has(participant.id);
    setAttribute(find(row, ".more"), "aria-expanded", String(open));
    find(row, ".more").hidden = more.length === 0;
    find(row, ".row-actions").hidden = more.length === 0 || !open;
    this.#renderActions(find(row, ".row-quick"), participant, quick);
    this.#renderActions(find(row, ".row-actions"), participant, more);
  }

  /**
   * @param {HTMLElement} list
   * @param {Participant} participant
   * @param {PersonAction[]} actions
   */
  #renderActions(list, { id, name }, actions) {
    reconcile(list, actions, (action) => action, (action) => this.#createAction(id, name, action), () => {});
  }

  /**
   * @param {string} id
   * @param {string} name
   * @param {PersonAction} action
   */
  #createAction(id, name, action) {
    const { text, label } = texts.people.actions[action];
    const picture = PICTURES[action];
    const act = () => {
      const participant = this.#room.state.participants.get(id);
      const invitation = this.#room.state.invitations.find((request) => request.participant_id === id);
      if (participant) perform(this.#room, this.#ui, participant, action, invitation);
    };
    return h("button", {
      type: "button", class: `small ${DANGEROUS.has(action) ? "danger-quiet" : ""} ${picture ? "square" : ""}`,
      "aria-label": label(name), title: label(name), dataset: { action }, onClick: act,
    }, picture ? icon(picture) : text);
  }
}
