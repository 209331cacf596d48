/**
 * @typedef {import("./types.js").ChatMessage} ChatMessage
 *
 * @typedef {object} Draft
 * An own message that is not known to be stored.
 * @property {string} clientId
 * @property {string} text
 * @property {string} createdAt
 * @property {"sending" | "failed"} status
 * @property {import("./errors.js").GreenroomError | null} error why it failed
 */

/**
 * What is known of a chat. Fires `change`, with what caused it as detail: `message` (a new one), `older`, `deleted`, `draft` or `reset`.
 */
export class ChatLog extends EventTarget {
  /** @type {ChatMessage[]} stored ones without a gap, in the order of `position` */
  messages = [];
  /** @type {Draft[]} in the order in which they were written */
  drafts = [];
  /** Whether there are messages older than the first one here. */
  more = false;
  /** @type {Set<string>} */
  #ids = new Set();

  /**
   * Takes up the latest messages after `welcome`. What was known before stays where nothing can have been missed in between.
   *
   * @param {ChatMessage[]} latest oldest first
   * @param {boolean} more whether there are older ones
   */
  catchUp(latest, more) {
    const joined = latest.length > 0 && this.#ids.has(latest[0].id);
    const empty = latest.length === 0 && this.messages.length > 0;
    if (!joined && !empty) {
      this.messages = [];
      this.#ids.clear();
      this.more = more;
    }
    for (const message of latest) this.#put(message);
    this.#changed("reset");
  }

  /** @param {ChatMessage} message */
  add(message) {
    if (this.#put(message)) this.#changed("message");
  }

  /**
   * @param {ChatMessage[]} page just older than the first message here
   * @param {boolean} more
   */
  addOlder(page, more) {
    for (const message of page) this.#put(message);
    this.more = more;
    this.#changed("older");
  }

  /**
   * @param {string} id
   * @param {string} deletedBy user id
   */
  markDeleted(id, deletedBy) {
    const index = this.messages.findIndex((message) => message.id === id);
    if (index < 0 || this.messages[index].deleted_at) return;
    const deleted = { text: null, deleted_at: new Date().toISOString(), deleted_by: deletedBy };
    this.messages[index] = { ...this.messages[index], ...deleted };
    this.#changed("deleted");
  }

  /**
   * Forgets all but the newest; they can be read again as older ones.
   *
   * @param {number} count
   */
  keepNewest(count) {
    if (this.messages.length <= count) return;
    for (const { id } of this.messages.splice(0, this.messages.length - count)) this.#ids.delete(id);
    this.more = true;
    this.#changed("reset");
  }

  /** @param {Draft} draft a new one, or one with this `clientId` that has changed */
  putDraft(draft) {
    const index = this.drafts.findIndex(({ clientId }) => clientId === draft.clientId);
    if (index < 0) this.drafts.push(draft);
    else this.drafts[index] = draft;
    this.#changed("draft");
  }

  /** @param {string} clientId */
  dropDraft(clientId) {
    const before = this.drafts.length;
    this.drafts = this.drafts.filter((draft) => draft.clientId !== clientId);
    if (this.drafts.length < before) this.#changed("draft");
  }

  /**
   * @param {ChatMessage} message
   * @returns {boolean} whether it was not known
   */
  #put(message) {
    if (this.#ids.has(message.id)) {
      if (message.deleted_at) this.markDeleted(message.id, message.deleted_by ?? "");
      return false;
    }
    this.#ids.add(message.id);
    let index = this.messages.length;
    while (index > 0 && this.messages[index - 1].position > message.position) index -= 1;
    this.messages.splice(index, 0, message);
    return true;
  }

  /** @param {string} what */
  #changed(what) {
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }
}
