import { find, h, icon, reconcile, setAttribute, setText } from "./dom.js";
import { face } from "./face.js";
import { actionsOn } from "./person_actions.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/types.js").Participant} Participant
 * @typedef {import("../lib/types.js").GuestRequest} GuestRequest
 * @typedef {import("./person_actions.js").PersonAction} PersonAction
 * @typedef {"mic_off" | "camera_off" | "chat_off" | "hand"} Mark
 *
 * @typedef {object} RowActions
 * @property {(id: string, action: PersonAction) => void} act
 * @property {(id: string) => void} toggle shows or hides the further actions
 */

/** @type {Partial<Record<PersonAction, string>>} actions that are a picture only */
const PICTURES = { mute_audio: "mic", unmute_audio: "mic_off", mute_video: "camera", unmute_video: "camera_off" };
/** @type {Partial<Record<PersonAction, PersonAction>>} an action and its opposite are one button, which keeps the focus */
const BUTTON_OF = {
  unmute_audio: "mute_audio", unmute_video: "mute_video", unsilence: "silence", demote: "promote", uninvite: "invite",
};
const DANGEROUS = new Set(["kick", "ban"]);

/**
 * A line of the list of people.
 *
 * @param {Participant} participant
 * @param {RowActions} actions
 */
export function createRow({ id, name, user_id: userId }, { act, toggle }) {
  const more = h("button", {
    type: "button", class: "quiet small more", "aria-label": texts.people.moreAbout(name), title: texts.people.more,
    dataset: { testid: "more-actions" }, onClick: () => toggle(id),
  }, icon("more"));
  const press = (/** @type {Event} */ event) => {
    const button = /** @type {Element} */ (event.target).closest("button");
    if (button) act(id, /** @type {PersonAction} */ (button.dataset.action));
  };
  return h("li", { class: "row", dataset: { testid: "participant-row", participantId: id } },
    h("div", { class: "row-head" }, face(name, userId),
      h("div", { class: "row-who" }, h("span", { class: "row-name", dir: "auto" }), h("span", { class: "badge" })),
      h("span", { class: "row-marks" }),
      h("div", { class: "row-quick", onClick: press }), more),
    h("div", { class: "row-actions", onClick: press }));
}

/**
 * @param {HTMLElement} row
 * @param {Participant} participant
 * @param {Participant} you
 * @param {GuestRequest | undefined} invitation that waits for this participant's answer
 * @param {boolean} asks whether they wait for an answer themselves
 * @param {boolean} open whether the further actions are shown
 */
export function updateRow(row, participant, you, invitation, asks, open) {
  const { id, name, role, connected } = participant;
  setText(find(row, ".row-name"), id === you.id ? texts.you(name) : connected ? name : texts.people.connectionLost(name));
  const badge = find(row, ".badge");
  setText(badge, texts.roles[role]);
  badge.className = `badge badge-${role}`;
  setAttribute(row, "data-role", role);
  const { quick, more } = actionsOn(participant, you, invitation, asks);
  const marks = marksOf(participant, quick.length > 0);
  if (asks) marks.push(["hand", texts.people.asks]);
  reconcile(find(row, ".row-marks"), marks, ([mark, label]) => mark + label, ([mark, label]) => createMark(mark, label), () => {});
  setAttribute(find(row, ".more"), "aria-expanded", String(open));
  find(row, ".more").hidden = more.length === 0;
  find(row, ".row-actions").hidden = more.length === 0 || !open;
  updateActions(find(row, ".row-quick"), name, quick);
  updateActions(find(row, ".row-actions"), name, more);
}

/**
 * @param {Participant} participant
 * @param {boolean} lockable what the host has turned off is on a button already
 * @returns {[Mark, string][]} what is off, in words
 */
function marksOf({ role, audio_muted, audio_locked, video_muted, video_locked, chat_silenced }, lockable) {
  const { off, offByHost } = texts.tiles;
  /** @type {[Mark, string][]} */
  const marks = [];
  if (role !== "viewer") {
    if (audio_locked && !lockable) marks.push(["mic_off", offByHost.mic_off]);
    else if (audio_muted && !audio_locked) marks.push(["mic_off", off.mic_off]);
    if (video_locked && !lockable) marks.push(["camera_off", offByHost.camera_off]);
    else if (video_muted && !video_locked) marks.push(["camera_off", off.camera_off]);
  }
  if (chat_silenced) marks.push(["chat_off", texts.people.silenced]);
  return marks;
}

/**
 * @param {Mark} mark
 * @param {string} label
 */
function createMark(mark, label) {
  return h("span", { class: `row-mark ${mark === "chat_off" ? "by-host" : mark === "hand" ? "asks" : ""}`, title: label }, icon(mark, label));
}

/**
 * @param {HTMLElement} list
 * @param {string} name
 * @param {PersonAction[]} actions
 */
function updateActions(list, name, actions) {
  const keyOf = (/** @type {PersonAction} */ action) => BUTTON_OF[action] ?? action;
  reconcile(list, actions, keyOf, () => h("button", { type: "button" }), (button, action) => updateAction(button, name, action));
}

/**
 * @param {HTMLElement} button
 * @param {string} name
 * @param {PersonAction} action
 */
function updateAction(button, name, action) {
  if (button.dataset.action === action) return;
  button.dataset.action = action;
  const { text, label } = texts.people.actions[action];
  const picture = PICTURES[action];
  button.className = `small ${DANGEROUS.has(action) ? "danger-quiet" : ""} ${picture ? "square" : ""}`;
  setAttribute(button, "aria-label", label(name));
  setAttribute(button, "title", label(name));
  button.replaceChildren(picture ? icon(picture) : text);
}
