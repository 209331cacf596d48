import { isModerator } from "../lib/index.js";
import { h, setText } from "./dom.js";
import { inColourOf } from "./face.js";
import { pictureOf } from "./gifts.js";
import { withLinks } from "./links.js";
import { menuButton } from "./menu.js";
import { sentence, texts, timeOfDay } from "./texts.js";

/**
 * @typedef {import("../lib/types.js").ChatMessage} ChatMessage
 * @typedef {import("../lib/types.js").Role} Role
 * @typedef {import("../lib/chat_log.js").Draft} Draft
 *
 * @typedef {object} Line
 * @property {string} key
 * @property {ChatMessage | null} message
 * @property {Draft | null} draft in place of a message
 * @property {boolean} follows the one before is of the same person and not much older
 * @property {Role | null} role of its author, where they are on stage
 *
 * @typedef {object} LineActions
 * @property {(message: ChatMessage) => import("./menu.js").MenuItem[]} menu what the caller may do about a message
 * @property {(clientId: string) => void} sendAgain
 * @property {(clientId: string) => void} discard
 */

const FOLLOWS_MS = 5 * 60_000;

/**
 * @param {import("../lib/state.js").RoomState} state
 * @returns {Line[]} what the chat shows, oldest first
 */
export function linesOf({ chat, participants, you }) {
  /** @type {Line[]} */
  const lines = [];
  /** @type {ChatMessage | null} */
  let before = null;
  for (const message of chat.messages) {
    const role = message.participant_id ? (participants.get(message.participant_id)?.role ?? null) : null;
    // An own message takes over the element of its draft. The ids of others are whatever they chose.
    const key = message.client_id && message.user_id === you?.user_id ? `own-${message.client_id}` : message.id;
    lines.push({ key, message, draft: null, follows: follows(message, before), role });
    before = message;
  }
  for (const draft of chat.drafts) lines.push({ key: `own-${draft.clientId}`, message: null, draft, follows: false, role: null });
  return lines;
}

/**
 * @param {ChatMessage} message
 * @param {ChatMessage | null} before
 */
function follows(message, before) {
  if (!before || message.kind !== "message" || before.kind !== "message" || message.user_id !== before.user_id) return false;
  return Date.parse(message.created_at) - Date.parse(before.created_at) < FOLLOWS_MS;
}

/**
 * Fills the element of a line anew.
 *
 * @param {HTMLElement} element
 * @param {Line} line
 * @param {import("../lib/types.js").Participant} you
 * @param {LineActions} actions
 */
export function fillLine(element, { message, draft, follows: continued, role }, you, actions) {
  element.className = "line";
  element.classList.toggle("follows", continued);
  delete element.dataset.status;
  if (draft) fillDraft(element, draft, you, actions);
  else if (message?.kind === "system") fillSystem(element, message);
  else if (message?.kind === "gift") fillGift(element, message);
  else if (message) fillMessage(element, message, role, you, actions);
}

/**
 * @param {HTMLElement} element
 * @param {ChatMessage} message
 * @param {Role | null} role
 * @param {import("../lib/types.js").Participant} you
 * @param {LineActions} actions
 */
function fillMessage(element, message, role, you, actions) {
  const own = message.user_id === you.user_id;
  const name = message.name ?? "";
  element.classList.toggle("own", own);
  element.dataset.status = message.deleted_at ? "deleted" : "stored";
  const badge = role && isModerator(role) ? h("span", { class: `badge badge-${role}` }, texts.roles[role]) : null;
  const mayAct = !message.deleted_at && (own || isModerator(you.role));
  element.replaceChildren(...present([
    lineHead(name, message.user_id, badge, message.created_at),
    message.deleted_at
      ? h("p", { class: "line-text line-deleted" }, texts.chat.deleted)
      : h("p", { class: "line-text", dir: "auto" }, ...withLinks(message.text ?? "")),
    mayAct && menuButton(texts.chat.actions(name), () => actions.menu(message)),
  ]));
}

/**
 * @param {HTMLElement} element
 * @param {Draft} draft
 * @param {import("../lib/types.js").Participant} you
 * @param {LineActions} actions
 */
function fillDraft(element, draft, you, actions) {
  element.classList.add("own", "draft");
  element.dataset.status = draft.status;
  const failed = draft.status === "failed";
  const note = h("p", { class: "line-note" });
  setText(note, failed ? texts.chat.failed(sentence(draft.error)) : texts.chat.sending);
  const button = (/** @type {string} */ text, /** @type {(clientId: string) => void} */ act) =>
    h("button", { type: "button", class: "small", onClick: () => act(draft.clientId) }, text);
  element.replaceChildren(...present([
    lineHead(you.name, you.user_id, null, draft.createdAt),
    h("p", { class: "line-text", dir: "auto" }, ...withLinks(draft.text)),
    note,
    failed && h("div", { class: "line-buttons" },
      button(texts.chat.sendAgain, actions.sendAgain), button(texts.chat.discard, actions.discard)),
  ]));
}

/**
 * @param {HTMLElement} element
 * @param {ChatMessage} message
 */
function fillSystem(element, { data, created_at: at }) {
  element.classList.add("system");
  const { event, names = [], name, count = 1 } = /** @type {import("../lib/types.js").SystemData} */ (data);
  const say = texts.chat.system[event];
  // An event that a newer server knows.
  if (!say) element.replaceChildren();
  else element.replaceChildren(h("span", {}, say(names.length ? names : [name], count)), time(at));
}

/**
 * @param {HTMLElement} element
 * @param {ChatMessage} message
 */
function fillGift(element, { name, data, created_at: at }) {
  element.classList.add("gift");
  const { gift_name: gift, icon, quantity } = /** @type {import("../lib/types.js").GiftData} */ (data);
  element.replaceChildren(pictureOf(icon), h("span", { dir: "auto" }, texts.chat.gift(name ?? "", gift, quantity)), time(at));
}

/**
 * @param {string} name
 * @param {string | null} userId
 * @param {HTMLElement | null} badge
 * @param {string} at
 */
function lineHead(name, userId, badge, at) {
  return h("p", { class: "line-head" }, inColourOf(userId ?? "", h("strong", { class: "line-name", dir: "auto" }, name)), badge, time(at));
}

/** @param {string} at */
function time(at) {
  return h("time", { class: "line-time", datetime: at }, timeOfDay(at));
}

/** @param {(Node | null | false)[]} nodes */
function present(nodes) {
  return /** @type {Node[]} */ (nodes.filter(Boolean));
}
