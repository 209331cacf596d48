/**
 * What a room tells, as types. This module has no code.
 *
 * @typedef {import("./types.js").ChatMessage} ChatMessage
 * @typedef {import("./types.js").Counts} Counts
 * @typedef {import("./types.js").Role} Role
 * @typedef {import("./types.js").Source} Source
 *
 * @typedef {object} RoomEvents
 * By the name of the event: what its `detail` is.
 * @property {import("./signaling.js").StatusDetail} status `connecting`, `connected`, `reconnecting` or `closed`, and why
 * @property {string} change `state` has changed; the type of the message that caused it, `welcome` after each connecting
 * @property {import("./receive.js").ReceivedTrack} trackadded a source of somebody arrives from now on
 * @property {import("./receive.js").ReceivedTrack} trackremoved it does no more
 * @property {{direction: "up" | "down", connected: boolean}} media false: what is sent or received has found no way for a while; true: it has,
 *   or is wanted no more
 * @property {{from: Role | null, to: Role}} rolechange the caller's own role
 * @property {import("./errors.js").GreenroomError} publisherror the server refuses what is published
 * @property {{source: Source}} unpublished a device that the room opened ended by itself: unplugged, or stopped in the browser
 * @property {"message" | "older" | "deleted" | "draft" | "reset"} chat `state.chat` has changed, and how
 * @property {{counts: Counts, totals: Counts, others: Counts}} reactions by type: since the last such event, in all, and `counts` without
 *   the own ones
 * @property {import("./types.js").Gift} gift somebody gave something
 * @property {import("./types.js").GuestRequest} invited the caller is asked on stage; `acceptInvitation` and `declineInvitation` answer
 * @property {{reason: string, stats: import("./types.js").SessionStats}} ended the session is over
 * @property {{reason: "kicked" | "banned"}} kicked the caller was thrown out
 * @property {{code: string, message: string, details?: any}} error the server found fault with something that was no request
 */

/**
 * An `EventTarget` whose events have names and details.
 *
 * @template Events
 * @typedef {{
 *   addEventListener<Name extends keyof Events>(name: Name, listener: (event: CustomEvent<Events[Name]>) => void,
 *     options?: boolean | AddEventListenerOptions): void,
 *   removeEventListener<Name extends keyof Events>(name: Name, listener: (event: CustomEvent<Events[Name]>) => void,
 *     options?: boolean | EventListenerOptions): void,
 *   dispatchEvent(event: Event): boolean,
 * }} TypedTarget
 */

export {};
