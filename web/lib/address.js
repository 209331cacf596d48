import { GreenroomError } from "./errors.js";

/**
 * @param {string} text of `http(s)://` or `ws(s)://`
 * @returns {URL} throws `invalid_address` where it is none
 */
export function addressOf(text) {
  const address = URL.canParse(text) ? new URL(text) : null;
  if (address && /^(http|ws)s?:$/.test(address.protocol)) return address;
  throw new GreenroomError("invalid_address", `${JSON.stringify(text)} is no address of a server: https://live.example.org is one.`);
}
