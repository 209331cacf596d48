import { errorCode } from "../lib/index.js";
import { sentence, texts } from "./texts.js";

/**
 * @param {unknown} error why a device could not be opened
 * @returns {string} what is wrong and what to do about it
 */
export function deviceSentence(error) {
  const { device, system } = detailsOf(error);
  const code = errorCode(error);
  const say = texts.devices.problems[system ? "device_denied_by_system" : code];
  return say !== undefined && device ? say(texts.devices.names[device]) : sentence(error);
}

/**
 * @param {unknown} error
 * @returns {boolean} whether the user thought better of sharing a screen or of another speaker, which needs no words
 */
export function isChangeOfMind(error) {
  const { device, system } = detailsOf(error);
  return errorCode(error) === "device_denied" && (device === "screen" || device === "speaker") && !system;
}

/**
 * @param {unknown} error
 * @returns {{device?: import("../lib/devices.js").DeviceKind, system?: boolean}}
 */
function detailsOf(error) {
  return /** @type {any} */ (error).details ?? {};
}
