import { isModerator } from "../lib/index.js";
import { Bans } from "./bans.js";
import { h, icon, reconcile, setText } from "./dom.js";
import { perform } from "./person_actions.js";
import { createRow, updateRow } from "./person_row.js";
import { Requests } from "./requests.js";
import { shareLink } from "./share.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Participant} Participant
 * @typedef {import("./person_actions.js").PersonAction} PersonAction
 * @typedef {import("./person_actions.js").Ui} Ui
 */

/** Above this many viewers there is a search; and nobody reads, or could be shown quickly, more lines than that. */
const FEW = 10;
const MAX_VIEWERS_SHOWN = 50;

/** Who is there, and for host and cohosts what can be done about it. */
export class People {
  element = h("div", { class: "people" });
  #room;
  #ui;
  #requests;
  #bans;
  #stage = h("ul", { class: "rows", dataset: { testid: "people" } });
  #viewers = h("ul", { class: "rows", dataset: { testid: "viewers" } });
  #find = h("input", {
    type: "search", class: "people-find", "aria-label": texts.people.find, placeholder: texts.people.find, autocomplete: "off", hidden: true,
    dataset: { testid: "find-viewer" }, onInput: () => this.render(),
  });
  #note = h("p", { class: "muted people-note", role: "status" });
  #nobody = h("div", { class: "nobody" }, h("p", { class: "muted" }, texts.people.noViewers),
    h("button", { type: "button", class: "small with-icon", dataset: { testid: "share-empty" }, onClick: () => shareLink(this.#ui) }, icon("link"), texts.room.copyLink));
  #viewersBox;
  #muteAll;
  /** @type {Set<string>} participants whose further actions are shown */
  #opened = new Set();
  /** @type {import("./person_row.js").RowActions} */
  #actions = { act: (id, action) => this.#act(id, action), toggle: (id) => this.#toggle(id) };

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
    this.#viewersBox = h("section", { class: "box" }, h("h2", {}, texts.people.viewers), this.#nobody, this.#find, this.#viewers, this.#note);
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
    this.#viewersBox.hidden = !moderator;
    this.#nobody.hidden = viewers.length > 0;
    this.#renderRows(this.#stage, onStage);
    this.#renderViewers(moderator ? viewers : []);
  }

  /** @param {Participant[]} viewers */
  #renderViewers(viewers) {
    this.#find.hidden = viewers.length <= FEW && !this.#find.value;
    const words = this.#find.hidden ? "" : this.#find.value.trim().toLocaleLowerCase();
    const found = viewers.filter(({ name }) => name.toLocaleLowerCase().includes(words));
    this.#renderRows(this.#viewers, found.slice(0, MAX_VIEWERS_SHOWN));
    const hidden = found.length - MAX_VIEWERS_SHOWN;
    const nobody = words && found.length === 0;
    setText(this.#note, nobody ? texts.people.nobodyFound(this.#find.value.trim()) : hidden > 0 ? texts.people.notShown(hidden) : "");
  }

  #muteEverybody() {
    const before = this.#room.state.onStage.filter(({ audio_locked: locked }) => !locked).map(({ id }) => id);
    const undo = () => {
      const { participants } = this.#room.state;
      for (const id of before) if (participants.get(id)?.audio_locked) this.#ui.attempt(this.#room.manageParticipant(id, "unmute_audio"));
    };
    const says = texts.people;
    const tell = (/** @type {number} */ count) => this.#ui.tell(says.mutedAll(count), count > 0 ? says.undo : "", undo);
    this.#ui.attempt(this.#room.muteAll().then(tell));
  }

  /**
   * @param {HTMLElement} list
   * @param {Participant[]} participants
   */
  #renderRows(list, participants) {
    const { you, invitations, pendingRequests } = this.#room.state;
    if (!you) return;
    const asking = new Set(pendingRequests.map(({ participant_id: id }) => id));
    const invited = new Map(invitations.map((invitation) => [invitation.participant_id, invitation]));
    reconcile(list, participants, ({ id }) => id, (participant) => createRow(participant, this.#actions),
      (row, participant) => updateRow(row, participant, you, invited.get(participant.id), asking.has(participant.id), this.#opened.has(participant.id)));
  }

  /** @param {string} id */
  #toggle(id) {
    if (!this.#opened.delete(id)) this.#opened.add(id);
    this.render();
  }

  /**
   * @param {string} id
   * @param {PersonAction} action
   */
  #act(id, action) {
    const participant = this.#room.state.participants.get(id);
    const invitation = this.#room.state.invitations.find((request) => request.participant_id === id);
    if (participant) perform(this.#room, this.#ui, participant, action, invitation);
  }
}
