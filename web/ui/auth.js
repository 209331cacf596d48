import { claimsOf } from "../lib/join_token.js";
import { recall, remember } from "./tab_storage.js";

/**
 * Who is signed in, per tab: two tabs can be two people.
 *
 * @typedef {{token: string, user_id: string, name: string}} Identity
 */

const KEY = "greenroom.identity";

/** @returns {Identity | null} */
export function savedIdentity() {
  try {
    const identity = JSON.parse(recall(KEY) ?? "null");
    return typeof identity?.token === "string" ? identity : null;
  } catch {
    return null;
  }
}

/** @param {Identity | null} identity */
export function saveIdentity(identity) {
  remember(KEY, identity && JSON.stringify(identity));
}

/**
 * Reads who a token says its bearer is. Only for display: the server verifies it.
 *
 * @param {string} token
 * @returns {Identity | null} null where it is no JWT
 */
export function identityOf(token) {
  const { sub, name } = claimsOf(token);
  if (typeof sub !== "string") return null;
  return { token, user_id: sub, name: typeof name === "string" && name ? name : sub };
}

/**
 * Takes a token out of the address (`#token=...`, also behind a route: `#/s/1?token=...`), so that it stays in no history.
 *
 * @returns {Identity | null}
 */
export function takeTokenFromAddress() {
  const match = /[#?&]token=([^&]+)/.exec(location.hash);
  if (!match) return null;
  const rest = location.hash.replace(match[0], "").replace(/^#?&/, "#");
  history.replaceState(null, "", `${location.pathname}${location.search}${rest}`);
  return identityOf(decodeURIComponent(match[1]));
}
