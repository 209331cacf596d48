import { Room } from "./room.js";

/**
 * Joins a session in one call, as a viewer or as whatever the caller already is in it.
 *
 * @param {object} options
 * @param {string} options.sessionId
 * @param {string | (() => string | Promise<string>)} options.token the JWT, or what gives a fresh one for every attempt
 * @param {string} [options.server] origin of the server; the page's own by default
 * @returns {Promise<Room>} a room that is connected; rejects with a `GreenroomError` whose code is the reason of the refusal
 */
export async function join({ sessionId, token, server = globalThis.location.origin }) {
  const room = new Room();
  await room.connect(`${server.replace(/^http/, "ws")}/ws/live/${encodeURIComponent(sessionId)}`, token);
  return room;
}
