import { isModerator } from "../lib/index.js";
import { fillLine, linesOf } from "./chat_line.js";
import { Composer } from "./composer.js";
import { h, icon, reconcile, setText } from "./dom.js";
import { actionsOn, ban, perform } from "./person_actions.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").ChatMessage} ChatMessage
 * @typedef {import("./chat_line.js").Line} Line
 */

/** A reader who is this near to the newest message sees the next ones come in. */
const AT_END_PX = 48;
/** Older messages are read when the reader is this near to the oldest. */
const AT_START_PX = 240;
/** More lines than this cost memory and time that nobody sees, while the reader is at the newest. */
const MAX_LINES = 400;
const KEPT_LINES = 200;

/** What a message may be the reason for; the rest is done in the list of people. @type {Set<import("./person_actions.js").PersonAction>} */
const ABOUT_AUTHORS = new Set(["invite", "uninvite", "silence", "unsilence", "kick", "ban"]);

/** What is said in the session, and where to say something. */
export class ChatPanel {
  element = h("section", { class: "chat", "aria-label": texts.chat.label, dataset: { testid: "chat" } });
  #room;
  #ui;
  #onUnread;
  #composer;
  #lines = h("ol", { class: "lines", dataset: { testid: "chat-lines" } });
  #empty = h("p", { class: "chat-empty muted" }, texts.chat.empty);
  #older = h("p", { class: "chat-older muted" });
  #scroller = h("div", { class: "chat-scroll", role: "log", "aria-label": texts.chat.messages, tabindex: 0, onScroll: () => this.#scrolled() }, this.#older, this.#empty, this.#lines);
  #pill = h("button", { type: "button", class: "pill", hidden: true, dataset: { testid: "new-messages" }, onClick: () => this.#toEnd() });
  #resize = new ResizeObserver(() => this.#atEnd && this.#scrollToEnd());
  /** @type {WeakMap<HTMLElement, string>} what each line shows */
  #shown = new WeakMap();
  #frame = 0;
  /** Whether the reader follows what is new. */
  #atEnd = true;
  #loading = false;
  #visible = true;
  /** @type {number | null} position of the last message that the reader has seen; null before the first drawing */
  #seen = null;

  /**
   * @param {Room} room
   * @param {string} sessionId
   * @param {import("./person_actions.js").Ui} ui
   * @param {(count: number) => void} onUnread how many messages came while the chat was not looked at
   */
  constructor(room, sessionId, ui, onUnread) {
    this.#room = room;
    this.#ui = ui;
    this.#onUnread = onUnread;
    this.#composer = new Composer(room, sessionId, (text) => this.#send(text));
    this.element.append(h("div", { class: "chat-body" }, this.#scroller, this.#pill), this.#composer.element);
    this.#resize.observe(this.#scroller);
    room.addEventListener("chat", () => this.#drawSoon());
  }

  dispose() {
    cancelAnimationFrame(this.#frame);
    this.#resize.disconnect();
    this.#composer.dispose();
  }

  /** @param {boolean} visible whether the chat is looked at, or something else in its place */
  setVisible(visible) {
    this.#visible = visible;
    if (visible && this.#atEnd) this.#scrollToEnd();
    this.#drawSoon();
  }

  /** Roles, settings or the connection have changed. */
  render() {
    this.#composer.render();
    this.#drawSoon();
  }

  /** A burst of messages is drawn at once. */
  #drawSoon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { chat, you } = this.#room.state;
    if (!you) return;
    if (this.#atEnd && this.#visible && chat.messages.length > MAX_LINES) chat.keepNewest(KEPT_LINES);
    const anchor = this.#atEnd ? null : this.#firstVisible();
    const before = anchor ? bottomOf(anchor) : 0;
    const lines = linesOf(this.#room.state);
    reconcile(this.#lines, lines, ({ key }) => key, () => h("li", { dataset: { testid: "chat-line" } }), (element, line) => this.#update(element, line));
    this.#empty.hidden = lines.length > 0;
    this.#older.hidden = !chat.more;
    if (!this.#older.hasChildNodes()) setText(this.#older, texts.chat.older);
    if (this.#atEnd) this.#scrollToEnd();
    else if (anchor?.isConnected) this.#scroller.scrollTop += bottomOf(anchor) - before;
    this.#countUnread();
    this.#loadOlderIfNear();
  }

  /**
   * @param {HTMLElement} element
   * @param {Line} line
   */
  #update(element, line) {
    const { you } = this.#room.state;
    if (!you) return;
    const { message, draft, follows, role } = line;
    const shows = [message?.id, message?.deleted_at, draft?.status, draft?.error?.code, follows, role, you.role].join();
    if (this.#shown.get(element) === shows) return;
    this.#shown.set(element, shows);
    fillLine(element, line, you, {
      menu: (about) => this.#menu(about),
      // What becomes of it is shown where it stands.
      sendAgain: (clientId) => void this.#room.outbox.retry(clientId).catch(() => {}),
      discard: (clientId) => this.#room.outbox.discard(clientId),
    });
  }

  /**
   * @param {ChatMessage} message
   * @returns {import("./menu.js").MenuItem[]}
   */
  #menu(message) {
    const { you, participants, session } = this.#room.state;
    const remove = () => this.#ui.attempt(this.#room.deleteMessage(message.id));
    /** @type {import("./menu.js").MenuItem[]} */
    const items = [{ id: "delete_message", text: texts.chat.delete, danger: true, act: remove }];
    if (!you || !isModerator(you.role) || message.user_id === you.user_id) return items;
    const author = participants.get(message.participant_id ?? "");
    return [...items, ...(author ? this.#actionsOn(author, you) : this.#actionsOnAbsent(message, session?.host_user_id))];
  }

  /**
   * @param {import("../lib/types.js").Participant} author
   * @param {import("../lib/types.js").Participant} you
   * @returns {import("./menu.js").MenuItem[]}
   */
  #actionsOn(author, you) {
    const invitation = this.#room.state.invitations.find((request) => request.participant_id === author.id);
    const { quick, more } = actionsOn(author, you, invitation);
    return [...quick, ...more].filter((action) => ABOUT_AUTHORS.has(action)).map((action) => ({
      id: action,
      text: texts.people.actions[action].label(author.name),
      danger: action === "kick" || action === "ban",
      apart: action === "kick",
      act: () => perform(this.#room, this.#ui, author, action, invitation),
    }));
  }

  /**
   * Who has left can still be kept from coming back.
   *
   * @param {ChatMessage} message
   * @param {string | undefined} host user id
   * @returns {import("./menu.js").MenuItem[]}
   */
  #actionsOnAbsent({ participant_id: id, user_id: userId, name }, host) {
    if (!userId || userId === host) return [];
    const person = { id, name: name ?? "", user_id: userId };
    return [{ id: "ban", text: texts.people.actions.ban.label(person.name), danger: true, act: () => ban(this.#room, this.#ui, person) }];
  }

  /** @param {string} text */
  #send(text) {
    const stored = this.#room.sendMessage(text);
    this.#toEnd();
    return stored;
  }

  #toEnd() {
    this.#atEnd = true;
    this.#scrollToEnd();
    this.#drawSoon();
  }

  #scrollToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #scrolled() {
    if (!this.#visible) return;
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const atEnd = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    if (atEnd !== this.#atEnd) {
      this.#atEnd = atEnd;
      this.#countUnread();
    }
    this.#loadOlderIfNear();
  }

  /** The line whose end must not move when others come above it. */
  #firstVisible() {
    const top = this.#scroller.scrollTop;
    const all = /** @type {HTMLElement[]} */ ([...this.#lines.children]);
    return all.find((line) => bottomOf(line) > top) ?? null;
  }

  #countUnread() {
    const { chat, you } = this.#room.state;
    const last = chat.messages.at(-1)?.position ?? this.#seen ?? 0;
    const looking = this.#visible && this.#atEnd;
    if (this.#seen === null || looking) this.#seen = last;
    const seen = this.#seen;
    const unread = chat.messages.filter(({ position, kind, user_id: author }) => position > seen && kind !== "system" && author !== you?.user_id).length;
    this.#pill.hidden = !this.#visible || this.#atEnd || unread === 0;
    if (!this.#pill.hidden) this.#pill.replaceChildren(icon("down"), texts.chat.newMessages(unread));
    this.#onUnread(this.#visible ? 0 : unread);
  }

  #loadOlderIfNear() {
    const near = this.#scroller.scrollTop < AT_START_PX;
    if (near && this.#visible && this.#room.state.chat.more && !this.#loading && this.#room.status === "connected") this.#loadOlder();
  }

  async #loadOlder() {
    this.#loading = true;
    setText(this.#older, texts.chat.older);
    try {
      await this.#room.loadOlderMessages();
      this.#loading = false;
    } catch {
      // It stays "loading" until the reader says so: a page that fails must not be asked for at every scroll.
      const again = () => this.#loadOlder();
      this.#older.replaceChildren(`${texts.chat.olderFailed} `, h("button", { type: "button", class: "small", onClick: again }, texts.chat.tryAgain));
    }
  }
}

/** @param {HTMLElement} line */
function bottomOf(line) {
  return line.offsetTop + line.offsetHeight;
}
