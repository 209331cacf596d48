import { isModerator } from "../lib/index.js";
import { confirmStep, confirmWithReason } from "./confirm.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Participant} Participant
 * @typedef {import("../lib/types.js").GuestRequest} GuestRequest
 * @typedef {keyof typeof texts.people.actions} PersonAction
 * @typedef {{attempt: (promise: Promise<unknown>) => void, tell: (text: string, action?: string, onAction?: () => void) => void}} Ui
 *   `attempt` shows the error if it fails
 */

const MAX_REASON = 500;

/**
 * What `you` may do to a participant (docs/PROTOCOL.md, "Roles and requests"). The server decides; this only hides what it would refuse.
 *
 * @param {Participant} participant
 * @param {Participant} you
 * @param {GuestRequest | undefined} invitation that waits for this participant's answer
 * @param {boolean} [asks] whether they wait for an answer themselves
 * @returns {{quick: PersonAction[], more: PersonAction[]}} those that are wanted often, and the others
 */
export function actionsOn(participant, you, invitation, asks = false) {
  const { role, audio_locked, video_locked, chat_silenced } = participant;
  const isHost = you.role === "host";
  const untouchable = participant.id === you.id || role === "host" || (role === "cohost" && !isHost);
  if (untouchable || !isModerator(you.role)) return { quick: [], more: [] };
  /** @type {PersonAction[]} */
  const common = [chat_silenced ? "unsilence" : "silence", "kick", "ban"];
  if (role === "viewer") return { quick: asks ? [] : [invitation ? "uninvite" : "invite"], more: common };
  /** @type {PersonAction[]} */
  const quick = [audio_locked ? "unmute_audio" : "mute_audio", video_locked ? "unmute_video" : "mute_video"];
  /** @type {PersonAction[]} */
  const rank = isHost ? [role === "guest" ? "promote" : "demote"] : [];
  return { quick, more: [...rank, "remove_guest", ...common] };
}

/**
 * Does it: after a question where it cannot be taken back, and with a way back where that is not the same button.
 *
 * @param {Room} room
 * @param {Ui} ui
 * @param {Participant} participant
 * @param {PersonAction} action
 * @param {GuestRequest | undefined} invitation
 */
export async function perform(room, ui, participant, action, invitation) {
  const { id, name } = participant;
  const says = texts.people;
  if (action === "invite") ui.attempt(room.invite(id));
  else if (action === "uninvite") ui.attempt(room.cancelInvitation(invitation?.id ?? ""));
  else if (action === "ban") await ban(room, ui, participant);
  else {
    const question = { title: says.kickQuestion(name), text: says.kickText, action: says.actions.kick.text };
    if (action === "kick" && !(await confirmStep(question))) return;
    const done = room.manageParticipant(id, action);
    ui.attempt(done);
    done.then(() => tellWayBack(room, ui, participant, action), () => {});
  }
}

/**
 * @param {Room} room
 * @param {Ui} ui
 * @param {{id: string | null, name: string, user_id: string}} person who need not be in the session any more
 */
export async function ban(room, ui, { id, name, user_id: userId }) {
  const says = texts.people;
  const question = { title: says.banQuestion(name), text: says.banText, action: says.actions.ban.text, label: says.banReason, maxLength: MAX_REASON };
  const reason = await confirmWithReason(question);
  if (reason === null) return;
  const here = id !== null && room.state.participants.has(id);
  const done = room.ban(here ? { participantId: id } : { userId }, reason);
  ui.attempt(done);
  done.then(() => ui.tell(says.isBanned(name), says.undo, () => ui.attempt(room.unban(userId))), () => {});
}

/**
 * @param {Room} room
 * @param {Ui} ui
 * @param {Participant} participant as they were before
 * @param {PersonAction} action
 */
function tellWayBack(room, ui, { id, name }, action) {
  const says = texts.people;
  const manage = (/** @type {import("../lib/types.js").ManageAction} */ opposite) => () => ui.attempt(room.manageParticipant(id, opposite));
  if (action === "remove_guest") ui.tell(says.sentBack(name), says.inviteAgain, () => ui.attempt(room.invite(id)));
  else if (action === "promote") ui.tell(says.isCohost(name), says.undo, manage("demote"));
  else if (action === "demote") ui.tell(says.isGuest(name), says.undo, manage("promote"));
  else if (action === "silence") ui.tell(says.isSilenced(name), says.undo, manage("unsilence"));
}
