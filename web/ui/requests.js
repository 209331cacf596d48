import { isModerator } from "../lib/index.js";
import { confirmStep } from "./confirm.js";
import { find, h, reconcile, setText } from "./dom.js";
import { face } from "./face.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("../lib/index.js").Room} Room
 * @typedef {import("../lib/types.js").GuestRequest} GuestRequest
 */

/** Messages of more letters do not fit without scrolling. */
const LONG = 160;

/** Who asks to come on stage, for host and cohosts to answer. */
export class Requests {
  #room;
  #ui;
  #list = h("ul", { class: "rows", dataset: { testid: "requests" } });
  #count = h("span", { class: "count-badge" });
  #empty = h("p", { class: "muted empty" }, texts.people.noRequests);
  #all = h("div", { class: "row-actions all" },
    h("button", { type: "button", class: "small", dataset: { testid: "approve-all" }, onClick: () => this.#approveAll() }, texts.people.approveAll),
    h("button", { type: "button", class: "small danger-quiet", dataset: { testid: "reject-all" }, onClick: () => this.#rejectAll() }, texts.people.rejectAll));
  element = h("section", { class: "box" },
    h("div", { class: "box-head" }, h("h2", {}, `${texts.people.requests} `, this.#count), this.#all), this.#list, this.#empty);

  /**
   * @param {Room} room
   * @param {import("./person_actions.js").Ui} ui
   */
  constructor(room, ui) {
    this.#room = room;
    this.#ui = ui;
  }

  render() {
    const { you, pendingRequests } = this.#room.state;
    const moderator = you !== null && isModerator(you.role);
    const requests = moderator ? pendingRequests : [];
    this.element.hidden = !moderator;
    this.#empty.hidden = requests.length > 0;
    this.#all.hidden = requests.length < 2;
    setText(this.#count, requests.length ? String(requests.length) : "");
    reconcile(this.#list, requests, ({ id }) => id, (request) => this.#create(request), updateWait);
  }

  /** @param {GuestRequest} request */
  #create({ id, participant_id: participantId, user_id: userId, name, message }) {
    const approve = () => this.#ui.attempt(this.#room.approve(id));
    const reject = () => this.#reject(id, participantId, name);
    const says = texts.people;
    return h("li", { class: "row request", dataset: { testid: "request-row", requestId: id } },
      h("div", { class: "row-head" }, face(name, userId),
        h("div", { class: "row-who" }, h("strong", { class: "row-name", dir: "auto" }, name)), h("span", { class: "row-wait muted" })),
      // What is long scrolls where it is, for the keyboard too: the buttons stay in sight.
      message && h("p", { class: "request-message", dir: "auto", tabindex: message.length > LONG && 0 }, message),
      h("div", { class: "row-actions" },
        h("button", { type: "button", class: "primary small", "aria-label": says.approveWhom(name), dataset: { testid: "approve" }, onClick: approve }, says.approve),
        h("button", { type: "button", class: "small", "aria-label": says.rejectWhom(name), dataset: { testid: "reject" }, onClick: reject }, says.reject)));
  }

  /**
   * @param {string} id
   * @param {string} participantId
   * @param {string} name
   */
  #reject(id, participantId, name) {
    const says = texts.people;
    const done = this.#room.reject(id);
    this.#ui.attempt(done);
    // Whoever was turned down waits before they may ask again: an invitation is the way back.
    const invite = () => this.#ui.attempt(this.#room.invite(participantId));
    done.then(() => this.#ui.tell(says.turnedDown(name), says.inviteAfterAll, invite), () => {});
  }

  #approveAll() {
    const answered = this.#room.approveAll();
    this.#ui.attempt(answered.then(({ waiting }) => waiting > 0 && this.#ui.tell(texts.people.stillWaiting(waiting))));
  }

  async #rejectAll() {
    const says = texts.people;
    const question = { title: says.rejectAllQuestion(this.#room.state.pendingRequests.length), text: says.rejectAllText, action: says.rejectAll };
    if (await confirmStep(question)) this.#ui.attempt(this.#room.rejectAll());
  }
}

/**
 * @param {HTMLElement} row
 * @param {GuestRequest} request
 */
function updateWait(row, { created_at: since }) {
  setText(find(row, ".row-wait"), texts.people.waitsFor(Math.max(0, (Date.now() - Date.parse(since)) / 1000)));
}
