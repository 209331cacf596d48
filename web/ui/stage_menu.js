import { actionsOn, perform } from "./person_actions.js";
import { canFillScreen, canFloat, fillsScreen, floats, toggleFullScreen, togglePictureInPicture } from "./stage_picture.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").Participant} Participant
 * @typedef {import("./menu.js").MenuItem} MenuItem
 * @typedef {import("./person_actions.js").PersonAction} PersonAction
 * @typedef {import("./person_actions.js").Ui} Ui
 * @typedef {import("./stage_tile.js").StageTile} StageTile
 */

const DANGEROUS = new Set(["kick", "ban"]);
/** @type {Partial<Record<PersonAction, string>>} */
const PICTURES = {
  mute_audio: "mic_off", unmute_audio: "mic", mute_video: "camera_off", unmute_video: "camera", silence: "chat_off", unsilence: "chat",
  promote: "people", demote: "people", remove_guest: "down", kick: "leave", ban: "ban",
};

/**
 * What its viewer can do with a tile's picture.
 *
 * @param {StageTile} tile
 * @param {{large: boolean, pin: () => void, release: () => void, ui: Ui}} options
 * @returns {MenuItem[]}
 */
export function pictureItems({ element, video }, { large, pin, release, ui }) {
  const says = texts.tiles;
  // What browsers say when they refuse is for programmers.
  const attempt = (/** @type {Promise<void>} */ done) => void done.catch(() => ui.tell(says.notPossible));
  /** @type {MenuItem[]} */
  const items = [large ? { id: "release", text: says.release, icon: "grid", act: release } : { id: "pin", text: says.pin, icon: "pin", act: pin }];
  if (canFillScreen(element, video)) {
    const text = fillsScreen(element) ? says.leaveFullScreen : says.fullScreen;
    items.push({ id: "full-screen", text, icon: "full_screen", act: () => attempt(toggleFullScreen(element, video)) });
  }
  if (canFloat(video)) {
    const text = floats(video) ? says.leavePictureInPicture : says.pictureInPicture;
    items.push({ id: "picture-in-picture", text, icon: "float", act: () => attempt(togglePictureInPicture(video)) });
  }
  return items;
}

/**
 * What host and cohosts can do about the person of a tile.
 *
 * @param {Room} room
 * @param {Ui} ui
 * @param {Participant} participant
 * @returns {MenuItem[]}
 */
export function moderationItems(room, ui, participant) {
  const { you } = room.state;
  if (!you) return [];
  const { quick, more } = actionsOn(participant, you, undefined);
  return [...quick, ...more].map((action, index) => {
    const { text, label } = texts.people.actions[action];
    const act = () => void perform(room, ui, participant, action, undefined);
    return { id: action, text, label: label(participant.name), icon: PICTURES[action], danger: DANGEROUS.has(action), apart: index === 0 || action === "kick", act };
  });
}
