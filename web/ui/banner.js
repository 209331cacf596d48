import { announce, topDialog } from "./announce.js";
import { h, reconcile, setText, find } from "./dom.js";

/**
 * @typedef {object} Notice
 * @property {string} kind one line is shown per kind: `reconnecting`, `autoplay`, `devices`, `notice`...
 * @property {string} text
 * @property {string} [action] text of a button
 * @property {() => void} [onAction]
 */

const NOTICE_MS = 6_000;
/** What can be undone takes longer to read, and to decide about. */
const NOTICE_WITH_ACTION_MS = 12_000;

/** The lines between a room's head and its stage. They are read out when they change. */
export class Banner {
  element = h("div", { class: "banner", role: "status", "aria-live": "polite", dataset: { testid: "banner" } });
  /** @type {Map<string, Notice>} */
  #notices = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Notice} notice */
  show(notice) {
    if (topDialog() && this.#notices.get(notice.kind)?.text !== notice.text) announce(notice.text);
    this.#notices.set(notice.kind, notice);
    this.#render();
  }

  /**
   * @param {string} kind
   * @returns {boolean} whether it was shown
   */
  hide(kind) {
    const shown = this.#notices.delete(kind);
    if (shown) this.#render();
    return shown;
  }

  /**
   * Something to know for a moment.
   *
   * @param {string} text
   * @param {string} [action] text of a button
   * @param {() => void} [onAction]
   */
  tell(text, action, onAction) {
    clearTimeout(this.#timer);
    const act = () => {
      this.hide("notice");
      onAction?.();
    };
    this.show({ kind: "notice", text, action, onAction: act });
    this.#timer = setTimeout(() => this.hide("notice"), action ? NOTICE_WITH_ACTION_MS : NOTICE_MS);
  }

  #render() {
    reconcile(this.element, [...this.#notices.values()], (notice) => notice.kind, (notice) => this.#create(notice.kind), update);
  }

  /** @param {string} kind */
  #create(kind) {
    const act = () => this.#notices.get(kind)?.onAction?.();
    return h("div", { class: "notice", dataset: { kind } },
      h("span", { class: "notice-text" }),
      h("button", { type: "button", dataset: { testid: `banner-${kind}` }, onClick: act }));
  }
}

/**
 * @param {HTMLElement} element
 * @param {Notice} notice
 */
function update(element, notice) {
  const button = find(element, "button");
  setText(find(element, ".notice-text"), notice.text);
  setText(button, notice.action ?? "");
  button.hidden = !notice.action;
}
