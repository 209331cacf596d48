import { isModerator } from "../lib/index.js";
import { AskCard } from "./ask.js";
import { confirmStep } from "./confirm.js";
import { find, h, icon, initials, reconcile, setAttribute, setText } from "./dom.js";
import { ROLE_NAMES } from "./tiles.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Participant} Participant
 * @typedef {import("../lib/types.js").GuestRequest} GuestRequest
 * @typedef {import("../lib/types.js").ManageAction} ManageAction
 * @typedef {{action: ManageAction, text: string, label: string, icon?: string, danger?: boolean}} Action
 */

/** Beside the stage: requests to answer, who is there and what can be done about it, and for a viewer the way up. */
export class Panel {
  element = h("aside", { class: "panel", "aria-label": "People" });
  #room;
  #attempt;
  #ask;
  #requests = h("ul", { class: "rows", dataset: { testid: "requests" } });
  #requestsBox;
  #requestCount = h("span", { class: "count-badge" });
  #people = h("ul", { class: "rows", dataset: { testid: "people" } });
  #viewers = h("ul", { class: "rows", dataset: { testid: "viewers" } });
  #viewersBox;

  /**
   * @param {Room} room
   * @param {(promise: Promise<unknown>) => void} attempt shows the error if it fails
   */
  constructor(room, attempt) {
    this.#room = room;
    this.#attempt = attempt;
    this.#ask = new AskCard(room, attempt);
    this.#requestsBox = h("section", { class: "box", "aria-live": "polite" },
      h("h2", {}, "Requests ", this.#requestCount),
      this.#requests,
      h("p", { class: "muted empty" }, "Nobody is asking to join right now."));
    this.#viewersBox = h("section", { class: "box" }, h("h2", {}, "Viewers"), this.#viewers);
    this.element.append(
      this.#ask.element,
      this.#requestsBox,
      h("section", { class: "box" }, h("h2", {}, "On stage"), this.#people),
      this.#viewersBox,
    );
  }

  render() {
    const { you, onStage, viewers, pendingRequests } = this.#room.state;
    if (!you) return;
    const moderator = isModerator(you.role);
    const requests = moderator ? pendingRequests : [];
    this.#ask.render();
    this.#requestsBox.hidden = !moderator;
    find(this.#requestsBox, ".empty").hidden = requests.length > 0;
    setText(this.#requestCount, requests.length ? String(requests.length) : "");
    this.#viewersBox.hidden = !moderator || viewers.length === 0;
    reconcile(this.#requests, requests, ({ id }) => id, (request) => this.#createRequest(request), () => {});
    this.#renderPeople(this.#people, onStage);
    this.#renderPeople(this.#viewers, moderator ? viewers : []);
  }

  /**
   * @param {HTMLElement} list
   * @param {Participant[]} participants
   */
  #renderPeople(list, participants) {
    reconcile(list, participants, ({ id }) => id, createPerson, (row, participant) => this.#updatePerson(row, participant));
  }

  /** @param {GuestRequest} request */
  #createRequest({ id, name, message }) {
    const answer = (/** @type {boolean} */ approve) => () => this.#attempt(this.#room.respondGuestRequest(id, approve));
    return h("li", { class: "row request", dataset: { testid: "request-row", requestId: id } },
      h("div", { class: "row-head" }, face(name), h("strong", { class: "row-name" }, name)),
      message && h("p", { class: "request-message" }, message),
      h("div", { class: "row-actions" },
        h("button", { type: "button", class: "primary small", "aria-label": `Approve ${name}`, dataset: { testid: "approve" }, onClick: answer(true) }, "Approve"),
        h("button", { type: "button", class: "small", "aria-label": `Reject ${name}`, dataset: { testid: "reject" }, onClick: answer(false) }, "Reject")));
  }

  /**
   * @param {HTMLElement} row
   * @param {Participant} participant
   */
  #updatePerson(row, participant) {
    const { you } = this.#room.state;
    const suffix = participant.id === you?.id ? " (you)" : participant.connected ? "" : " (connection lost)";
    setText(find(row, ".row-name"), participant.name + suffix);
    setText(find(row, ".badge"), ROLE_NAMES[participant.role]);
    find(row, ".badge").className = `badge badge-${participant.role}`;
    setAttribute(row, "data-role", participant.role);
    const actions = you ? actionsOn(participant, you) : [];
    const list = find(row, ".row-actions");
    list.hidden = actions.length === 0;
    reconcile(list, actions, ({ action }) => action, (action) => this.#createAction(participant, action), () => {});
  }

  /**
   * @param {Participant} participant
   * @param {Action} action
   */
  #createAction({ id, name }, { action, text, label, icon: picture, danger }) {
    const act = async () => {
      if (action === "kick" && !(await confirmKick(name))) return;
      this.#attempt(this.#room.manageParticipant(id, action));
    };
    return h("button", {
      type: "button",
      class: `small ${danger ? "danger-quiet" : ""} ${picture ? "with-icon" : ""}`,
      "aria-label": `${label} ${name}`,
      title: `${label} ${name}`,
      dataset: { action },
      onClick: act,
    }, picture ? icon(picture) : null, text);
  }
}

/** @param {string} name */
function confirmKick(name) {
  return confirmStep({
    title: `Kick ${name}?`,
    text: "They are disconnected at once and cannot come back to this session.",
    action: "Kick",
  });
}

/**
 * What `you` may do to a participant: docs/PROTOCOL.md, "Roles and requests". The server decides; this only hides what it would refuse.
 *
 * @param {Participant} participant
 * @param {Participant} you
 * @returns {Action[]}
 */
function actionsOn(participant, you) {
  const { role, audio_locked, video_locked } = participant;
  const isHost = you.role === "host";
  if (participant.id === you.id || role === "host" || !isModerator(you.role)) return [];
  if (role === "cohost" && !isHost) return [];
  /** @type {Action} */
  const kick = { action: "kick", text: "Kick", label: "Kick", danger: true };
  if (role === "viewer") return [kick];
  /** @type {Action[]} */
  const actions = [
    audio_locked
      ? { action: "unmute_audio", text: "Unmute", label: "Unmute microphone of", icon: "mic_off" }
      : { action: "mute_audio", text: "Mute", label: "Mute microphone of", icon: "mic" },
    video_locked
      ? { action: "unmute_video", text: "Show", label: "Turn on camera of", icon: "camera_off" }
      : { action: "mute_video", text: "Hide", label: "Turn off camera of", icon: "camera" },
  ];
  if (isHost && role === "guest") actions.push({ action: "promote", text: "Make co-host", label: "Make co-host:" });
  if (isHost && role === "cohost") actions.push({ action: "demote", text: "Make guest", label: "Make guest:" });
  actions.push({ action: "remove_guest", text: "Send back", label: "Send back to the viewers:" }, kick);
  return actions;
}

/** @param {Participant} participant */
function createPerson({ id, name }) {
  return h("li", { class: "row", dataset: { testid: "participant-row", participantId: id } },
    h("div", { class: "row-head" }, face(name), h("span", { class: "row-name" }), h("span", { class: "badge" })),
    h("div", { class: "row-actions" }));
}

/** @param {string} name */
function face(name) {
  return h("span", { class: "face", "aria-hidden": "true" }, initials(name));
}
