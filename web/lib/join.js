import { addressOf } from "./address.js";
import { GreenroomError } from "./errors.js";
import { JoinToken, isJoinToken } from "./join_token.js";
import { Room } from "./room.js";

/** Why there was no connection, by the `reason` of the status. @type {Record<string, [string, string]>} code, sentence */
const FAILURES = {
  "": ["network", "The server cannot be reached, or lets no pages of this origin connect."],
  offline: ["network", "There is no network."],
  connect_timeout: ["timeout", "The server did not answer in time."],
};

/**
 * Joins a session in one call, as a viewer or as whatever the caller already is in it.
 *
 * @param {object} options
 * @param {string} options.sessionId
 * @param {string | (() => string | Promise<string>)} options.token the JWT, or what gives a fresh one for every attempt to connect; a join
 *   token is kept fresh here
 * @param {string} [options.server] origin of the server; the page's own by default
 * @returns {Promise<Room>} a room that is connected; rejects with a `GreenroomError` whose code is the reason of the refusal, or why the
 *   server was not reached
 */
export async function join({ sessionId, token, server = globalThis.location.origin }) {
  const { origin } = addressOf(server);
  const room = new Room();
  const url = `${origin.replace(/^http/, "ws")}/ws/live/${encodeURIComponent(sessionId)}`;
  const given = typeof token === "string" && isJoinToken(token) ? renewed(room, sessionId, token, origin) : token;
  await Promise.race([room.connect(url, given), firstFailure(room)]);
  return room;
}

/**
 * A room by itself goes on trying, which nobody would see before they have it.
 *
 * @param {Room} room
 * @returns {Promise<never>}
 */
function firstFailure(room) {
  return new Promise((_, reject) => {
    room.addEventListener("status", ({ detail: { status, reason = "", message, retryInMs = 0 } }) => {
      if (status !== "reconnecting" || room.state.session) return;
      const [code, sentence] = FAILURES[reason] ?? [reason, `The server did not let this page in: ${reason}.`];
      reject(new GreenroomError(code, message ?? sentence, { retryAfterS: message ? Math.ceil(retryInMs / 1000) : undefined }));
      room.disconnect();
    });
  });
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
