import { JoinToken, isJoinToken } from "./join_token.js";
import { Room } from "./room.js";

/**
 * Joins a session in one call, as a viewer or as whatever the caller already is in it.
 *
 * @param {object} options
 * @param {string} options.sessionId
 * @param {string | (() => string | Promise<string>)} options.token the JWT, or what gives a fresh one for every attempt to connect; a join
 *   token is kept fresh here
 * @param {string} [options.server] origin of the server; the page's own by default
 * @returns {Promise<Room>} a room that is connected; rejects with a `GreenroomError` whose code is the reason of the refusal
 */
export async function join({ sessionId, token, server = globalThis.location.origin }) {
  const origin = new URL(server).origin;
  const room = new Room();
  const url = `${origin.replace(/^http/, "ws")}/ws/live/${encodeURIComponent(sessionId)}`;
  await room.connect(url, typeof token === "string" && isJoinToken(token) ? renewed(room, sessionId, token, origin) : token);
  return room;
}

/**
 * @param {Room} room
 * @param {string} sessionId
 * @param {string} token
 * @param {string} server
 */
function renewed(room, sessionId, token, server) {
  const pass = new JoinToken(sessionId, token, { server });
  room.addEventListener("status", ({ detail }) => detail.status === "closed" && pass.stop());
  return () => pass.token;
}
