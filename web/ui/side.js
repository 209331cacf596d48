import { isModerator } from "../lib/index.js";
import { announce } from "./announce.js";
import { AskCard } from "./ask.js";
import { ChatPanel } from "./chat_panel.js";
import { find, h, icon, setAttribute, setText } from "./dom.js";
import { People } from "./people.js";
import { SettingsPanel } from "./settings.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {"chat" | "people" | "settings"} Tab
 */

/** @type {Tab[]} */
const TABS = ["chat", "people", "settings"];
const ICONS = { chat: "chat", people: "people", settings: "gear" };
/** Where the stage leaves room beside it nothing is folded away: see the same width in room.css. */
const WIDE = matchMedia("(min-width: 901px)");
const NAMES = { chat: texts.room.chatTab, people: texts.room.peopleTab, settings: texts.settings.title };

/** Beside the stage, below it on a phone: the chat, the people, the settings, and for a viewer the way up. */
export class Side {
  element = h("aside", { class: "side", "aria-label": texts.room.side });
  #room;
  #ui;
  #ask;
  #chat;
  #people;
  #settings;
  /** @type {Record<Tab, HTMLElement>} */
  #buttons;
  /** @type {Record<Tab, HTMLElement>} */
  #bodies;
  /** Where the page is narrow the stage can have all of it. */
  #fold = h("button", { type: "button", class: "quiet fold", dataset: { testid: "fold-side" }, onClick: () => this.#setFolded(!this.#folded) }, icon("chevron"));
  #folded = false;
  /** @type {Tab | null} */
  #shown = null;
  #unread = 0;
  /** @type {Set<string>} requests that were here before */
  #known = new Set();
  #unfold = () => this.#setFolded(false);

  /**
   * @param {Room} room
   * @param {string} sessionId
   * @param {import("./person_actions.js").Ui} ui
   */
  constructor(room, sessionId, ui) {
    this.#room = room;
    this.#ui = ui;
    this.#ask = new AskCard(room, ui.attempt);
    this.#chat = new ChatPanel(room, sessionId, ui, (count) => this.#unreadChanged(count));
    this.#people = new People(room, sessionId, ui);
    this.#settings = new SettingsPanel(room, ui);
    this.#buttons = { chat: this.#button("chat"), people: this.#button("people"), settings: this.#button("settings") };
    this.#bodies = { chat: body("chat", this.#chat.element), people: body("people", this.#people.element), settings: body("settings", this.#settings.element) };
    this.element.append(
      this.#ask.element,
      h("div", { class: "side-box" },
        h("div", { class: "side-head" },
          h("div", { class: "tabs", role: "tablist", "aria-label": texts.room.side, onKeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) },
            ...Object.values(this.#buttons)),
          this.#fold),
        ...Object.values(this.#bodies)),
    );
    this.#setFolded(false);
    WIDE.addEventListener("change", this.#unfold);
  }

  dispose() {
    WIDE.removeEventListener("change", this.#unfold);
    this.#chat.dispose();
  }

  render() {
    const { you, pendingRequests } = this.#room.state;
    if (!you) return;
    this.#buttons.settings.hidden = you.role !== "host";
    if (!this.#shown || (this.#shown === "settings" && you.role !== "host")) this.#show(isModerator(you.role) ? "people" : "chat");
    this.#ask.render();
    // A list of a thousand people is not brought up to date for nobody.
    if (this.#shown === "people") this.#people.render();
    this.#settings.render();
    this.#chat.render();
    this.#setBadge("people", isModerator(you.role) ? pendingRequests.length : 0);
    this.#tellOfNew(isModerator(you.role) ? pendingRequests : []);
  }

  /** Nothing waits unseen behind another tab. @param {import("../lib/types.js").GuestRequest[]} requests */
  #tellOfNew(requests) {
    const fresh = requests.filter(({ id }) => !this.#known.has(id));
    this.#known = new Set(requests.map(({ id }) => id));
    const last = fresh.at(-1);
    if (last && this.#shown === "people") announce(texts.room.wantsToJoin(last.name));
    else if (last) this.#ui.tell(texts.room.wantsToJoin(last.name), texts.room.showRequests, () => this.#show("people"));
  }

  /** @param {number} count */
  #unreadChanged(count) {
    this.#unread = count;
    this.#setBadge("chat", this.#unread);
  }

  /**
   * @param {Tab} tab
   * @param {number} count
   */
  #setBadge(tab, count) {
    setText(find(this.#buttons[tab], ".count-badge"), count ? String(Math.min(count, 99)) : "");
  }

  /** @param {Tab} tab */
  #show(tab) {
    this.#shown = tab;
    if (tab === "people") this.#people.render();
    for (const name of TABS) {
      setAttribute(this.#buttons[name], "aria-selected", String(name === tab));
      setAttribute(this.#buttons[name], "tabindex", name === tab ? 0 : -1);
      this.#bodies[name].hidden = name !== tab;
    }
    this.#setFolded(false);
  }

  /** @param {boolean} folded */
  #setFolded(folded) {
    this.#folded = folded;
    const text = folded ? texts.room.showSide : texts.room.hideSide;
    this.element.classList.toggle("folded", folded);
    setAttribute(this.#fold, "aria-expanded", String(!folded));
    setAttribute(this.#fold, "aria-label", text);
    setAttribute(this.#fold, "title", text);
    this.#chat.setVisible(this.#shown === "chat" && !folded);
  }

  /** @param {Tab} tab */
  #button(tab) {
    return h("button", {
      type: "button", role: "tab", class: "tab", id: `tab-${tab}`, title: NAMES[tab], "aria-controls": `side-${tab}`, dataset: { testid: `tab-${tab}` },
      onClick: () => this.#show(tab),
    }, icon(ICONS[tab]), h("span", { class: "tab-name" }, NAMES[tab]), h("span", { class: "count-badge" }));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !this.#shown) return;
    const open = TABS.filter((tab) => !this.#buttons[tab].hidden);
    const next = open[(open.indexOf(this.#shown) + step + open.length) % open.length];
    this.#show(next);
    this.#buttons[next].focus();
  }
}

/**
 * @param {Tab} tab
 * @param {HTMLElement} content
 */
function body(tab, content) {
  return h("div", { class: `side-body side-${tab}`, role: "tabpanel", id: `side-${tab}`, "aria-labelledby": `tab-${tab}`, hidden: true }, content);
}
