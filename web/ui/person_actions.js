import { isModerator } from "../lib/index.js";
import { confirmStep, confirmWithReason } from "./confirm.js";
import { texts } from "./texts.js";

/**
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
 * @returns {{quick: PersonAction[], more: PersonAction[]}} those that are wanted often, and the others
 */
export function actionsOn(participant, you, invitation) {
  const { role, audio_locked, video_locked, chat_silenced } = participant;
  const isHost = you.role === "host";
  const untouchable = participant.id === you.id || role === "host" || (role === "cohost" && !isHost);
  if (untouchable || !isModerator(you.role)) return { quick: [], more: [] };
  /** @type {PersonAction[]} */
  const common = [chat_silenced ? "unsilence" : "silence", "kick", "ban"];
  if (role === "viewer") return { quick: [invitation ? "uninvite" : "invite"], more: common };
  /** @type {PersonAction[]} */
  const quick = [audio_locked ? "unmute_audio" : "mute_audio", video_locked ? "unmute_video" : "mute_video"];
  /** @type {PersonAction[]} */
  const rank = isHost ? [role === "guest" ? "promote" : "demote"] : [];
  return { quick, more: [...rank, "remove_guest", ...common] };
}

/**
 * Does it, after a question where it cannot be taken back.
 *
 * @param {import("../lib/index.js").Room} room
 * @param {Ui} ui
 * @param {Participant} participant
 * @param {PersonAction} action
 * @param {GuestRequest | undefined} invitation
 */
export async function perform(room, ui, { id, name, user_id: userId }, action, invitation) {
  const says = texts.people;
  if (action === "invite") ui.attempt(room.invite(id));
  else if (action === "uninvite") ui.attempt(room.cancelInvitation(invitation?.id ?? ""));
  else if (action === "ban") {
    const question = { title: says.banQuestion(name), text: says.banText, action: says.actions.ban.text, label: says.banReason, maxLength: MAX_REASON };
    const reason = await confirmWithReason(question);
    if (reason === null) return;
    const done = room.ban({ participantId: id }, reason);
    ui.attempt(done);
    done.then(() => ui.tell(says.isBanned(name), says.undo, () => ui.attempt(room.unban(userId))), () => {});
  } else {
    const question = { title: says.kickQuestion(name), text: says.kickText, action: says.actions.kick.text };
    if (action === "kick" && !(await confirmStep(question))) return;
    ui.attempt(room.manageParticipant(id, action));
  }
}
