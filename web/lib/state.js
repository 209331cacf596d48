import { ChatLog } from "./chat_log.js";

/**
 * @typedef {import("./types.js").Session} Session
 * @typedef {import("./types.js").Participant} Participant
 * @typedef {import("./types.js").GuestRequest} GuestRequest
 * @typedef {import("./types.js").Role} Role
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Welcome} Welcome
 */

/** @type {Record<Role, number>} */
const RANK = { host: 0, cohost: 1, guest: 2, viewer: 3 };

/** @param {Role} role */
export function isOnStage(role) {
  return role !== "viewer";
}

/** @param {Role} role whether it may see viewers, answer requests and manage guests */
export function isModerator(role) {
  return role === "host" || role === "cohost";
}

/**
 * What a client knows of a room, fed by `welcome` and the events. Fires `change` after each message that changed something; the
 * chat fires its own, and the totals of reactions change quietly, since both come many times a second.
 */
export class RoomState extends EventTarget {
  /** @type {Session | null} */
  session = null;
  /** @type {Participant | null} */
  you = null;
  /** @type {Map<string, Participant>} by participant id; the caller is among them */
  participants = new Map();
  /** @type {Map<string, GuestRequest>} pending ones that the caller may answer, and the caller's own last one whatever its status */
  requests = new Map();
  /** What was said, as far as it is known here. */
  chat = new ChatLog();
  /** @type {import("./types.js").Counts} how often there was each reaction in this session */
  reactions = {};

  /** @param {Welcome} welcome */
  reset(welcome) {
    this.session = welcome.session;
    this.you = welcome.you;
    this.reactions = welcome.reactions ?? {};
    this.setRoster(welcome.participants, welcome.guest_requests);
    this.chat.catchUp(welcome.messages ?? [], welcome.more_messages ?? false);
    this.#changed("welcome");
  }

  /** @param {Message} message an event of the room; others are ignored */
  apply(message) {
    if (!this.you) return;
    QUIET_HANDLERS[message.type]?.(this, message);
    const handler = HANDLERS[message.type];
    if (!handler) return;
    handler(this, message);
    this.#changed(message.type);
  }

  /** Everybody who is on stage: host first, then cohosts and guests in the order in which they came. */
  get onStage() {
    return [...this.participants.values()]
      .filter((participant) => isOnStage(participant.role))
      .sort((a, b) => RANK[a.role] - RANK[b.role] || a.joined_at.localeCompare(b.joined_at));
  }

  /** Viewers; only host and cohosts are told of others than themselves. */
  get viewers() {
    return [...this.participants.values()]
      .filter((participant) => !isOnStage(participant.role))
      .sort((a, b) => a.joined_at.localeCompare(b.joined_at));
  }

  /** What waits for an answer of host or cohosts: invitations wait for somebody else's. */
  get pendingRequests() {
    return [...this.requests.values()]
      .filter((request) => request.status === "pending" && request.kind !== "invitation")
      .sort((a, b) => a.created_at.localeCompare(b.created_at));
  }

  /** The caller's own latest request, answered or not. */
  get ownRequest() {
    const own = [...this.requests.values()].filter(
      (request) => request.participant_id === this.you?.id && request.kind !== "invitation",
    );
    return own.sort((a, b) => b.created_at.localeCompare(a.created_at))[0] ?? null;
  }

  /** The invitation that the caller may accept now. */
  get ownInvitation() {
    return this.invitations.find((request) => request.participant_id === this.you?.id) ?? null;
  }

  /** Invitations that are not answered: all for host and cohosts, the caller's own otherwise. */
  get invitations() {
    return [...this.requests.values()].filter((request) => request.status === "pending" && request.kind === "invitation");
  }

  /** @param {Participant} participant */
  putParticipant(participant) {
    if (participant.id === this.you?.id) this.#putYou(participant);
    else if (this.#mayKnow(participant)) this.participants.set(participant.id, participant);
    else this.participants.delete(participant.id);
  }

  /** @param {GuestRequest} request */
  putRequest(request) {
    const own = request.participant_id === this.you?.id;
    if (own || request.status === "pending") this.requests.set(request.id, request);
    else this.requests.delete(request.id);
  }

  /**
   * @param {Participant[]} participants
   * @param {GuestRequest[]} requests
   */
  setRoster(participants, requests) {
    this.participants = new Map(participants.map((participant) => [participant.id, participant]));
    if (this.you) this.participants.set(this.you.id, this.participants.get(this.you.id) ?? this.you);
    this.requests = new Map(requests.map((request) => [request.id, request]));
  }

  /** @param {Participant} participant */
  #mayKnow(participant) {
    return isOnStage(participant.role) || (this.you !== null && isModerator(this.you.role));
  }

  /** @param {Participant} you */
  #putYou(you) {
    const wasModerator = this.you !== null && isModerator(this.you.role);
    this.you = you;
    this.participants.set(you.id, you);
    if (!wasModerator || isModerator(you.role)) return;
    for (const participant of [...this.participants.values()]) {
      if (participant.id !== you.id && !isOnStage(participant.role)) this.participants.delete(participant.id);
    }
    for (const request of [...this.requests.values()]) {
      if (request.participant_id !== you.id) this.requests.delete(request.id);
    }
  }

  /** @param {string} what */
  #changed(what) {
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }
}

/** @type {Record<string, (state: RoomState, message: Message) => void>} */
const HANDLERS = {
  participant_joined: (state, message) => state.putParticipant(message.participant),
  participant_updated: (state, message) => state.putParticipant(message.participant),
  participant_left: (state, message) => void state.participants.delete(message.participant_id),
  session_updated: (state, message) => void (state.session = message.session),
  guest_request_created: (state, message) => state.putRequest(message.request),
  guest_request_updated: (state, message) => state.putRequest(message.request),
  invited: (state, message) => state.putRequest(message.request),
  roster: (state, message) => state.setRoster(message.participants, message.guest_requests),
};

/** @type {Record<string, (state: RoomState, message: Message) => void>} */
const QUIET_HANDLERS = {
  message: (state, { message }) => state.chat.add(message),
  message_deleted: (state, message) => state.chat.markDeleted(message.message_id, message.deleted_by),
  reactions: (state, message) => void (state.reactions = message.totals),
};
