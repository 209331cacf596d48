import { GreenroomError } from "./errors.js";

/**
 * @typedef {object} CameraOptions
 * @property {string} [deviceId] one of `listDevices`; where that one is gone the promise rejects with `device_not_found`
 *
 * @typedef {object} MicrophoneOptions
 * @property {string} [deviceId] as for a camera
 * @property {boolean} [echoCancellation] these three are on unless they are false
 * @property {boolean} [noiseSuppression]
 * @property {boolean} [autoGainControl]
 *
 * @typedef {{id: string, name: string}} Device `name` is empty until the user has allowed a device of its kind, and so is `id` in most browsers
 * @typedef {{cameras: Device[], microphones: Device[], speakers: Device[]}} Devices
 *
 * @typedef {"camera" | "microphone" | "camera_and_microphone" | "screen" | "speaker"} DeviceKind
 */

/** What a camera is asked for; a browser gives the nearest that it has. */
const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
/** Sound of a screen is music as likely as speech, and what this page plays itself is not to be sent back. */
const SCREEN_SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, restrictOwnAudio: true };

/** @type {Record<string, [string, string]>} DOMException name -> code, sentence */
const FAILURES = {
  NotAllowedError: ["device_denied", "Access was not allowed. Allow it in the browser's site settings and try again."],
  SecurityError: ["device_denied", "This browser does not allow it on this page."],
  NotFoundError: ["device_not_found", "No such device was found. Plug one in and try again."],
  OverconstrainedError: ["device_not_found", "No device can do what is needed."],
  NotReadableError: ["device_busy", "The device is in use by another application."],
  AbortError: ["device_busy", "The device could not be started."],
};

/**
 * @param {CameraOptions} [options]
 * @returns {Promise<MediaStreamTrack>} rejects with a `GreenroomError`: `device_denied`, `device_not_found`, `device_busy`,
 *   `device_unsupported` or `device_failed`, whose `details` has the `device` (a `DeviceKind`) and whether the operating `system` denied it
 */
export async function openCamera(options = {}) {
  const stream = await capture("camera", (devices) => devices.getUserMedia({ video: cameraWanted(options) }));
  return stream.getVideoTracks()[0];
}

/**
 * @param {MicrophoneOptions} [options]
 * @returns {Promise<MediaStreamTrack>} errors as in `openCamera`
 */
export async function openMicrophone(options = {}) {
  const stream = await capture("microphone", (devices) => devices.getUserMedia({ audio: microphoneWanted(options) }));
  return stream.getAudioTracks()[0];
}

/**
 * Both with one question to the user.
 *
 * @param {{camera?: CameraOptions, microphone?: MicrophoneOptions}} [options]
 * @returns {Promise<{camera: MediaStreamTrack, microphone: MediaStreamTrack}>} errors as in `openCamera`
 */
export async function openCameraAndMicrophone({ camera, microphone } = {}) {
  const wanted = { video: cameraWanted(camera), audio: microphoneWanted(microphone) };
  const stream = await capture("camera_and_microphone", (devices) => devices.getUserMedia(wanted));
  return { camera: stream.getVideoTracks()[0], microphone: stream.getAudioTracks()[0] };
}

/**
 * With its sound where browser and user allow that. Must be called from a click: browsers refuse it otherwise.
 *
 * @returns {Promise<{screen: MediaStreamTrack, screenAudio: MediaStreamTrack | null}>} errors as in `openCamera`; a user who thought better of it is
 *   `device_denied` too
 */
export async function openScreen() {
  const wanted = {
    video: { frameRate: { ideal: 15, max: 30 } },
    audio: SCREEN_SOUND,
    systemAudio: "include",
    surfaceSwitching: "include",
    // Sharing the page that shows the share is a hall of mirrors.
    selfBrowserSurface: "exclude",
  };
  const stream = await capture("screen", (devices) => devices.getDisplayMedia(wanted));
  return { screen: stream.getVideoTracks()[0], screenAudio: stream.getAudioTracks()[0] ?? null };
}

/**
 * What there is to choose from. Speakers are listed by few browsers before a microphone was allowed.
 *
 * @returns {Promise<Devices>} never rejects; empty where a page may not know
 */
export async function listDevices() {
  const found = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  const ofKind = (/** @type {MediaDeviceKind} */ kind) =>
    found.filter((device) => device.kind === kind).map(({ deviceId, label }) => ({ id: deviceId, name: label }));
  return { cameras: ofKind("videoinput"), microphones: ofKind("audioinput"), speakers: ofKind("audiooutput") };
}

/** Whether the browser has a dialog of its own for speakers. Firefox does, and lists few of them before. */
export function asksForSpeaker() {
  return "selectAudioOutput" in (navigator.mediaDevices ?? {});
}

/**
 * Has the browser ask which speaker to use. Must be called from a click.
 *
 * @returns {Promise<Device>} errors as in `openCamera`; a user who thought better of it is `device_denied` too
 */
export async function askForSpeaker() {
  const { deviceId, label } = await capture("speaker", (devices) => /** @type {any} */ (devices).selectAudioOutput());
  return { id: deviceId, name: label };
}

/**
 * @param {() => void} listener a device came or went
 * @returns {() => void} ends it
 */
export function watchDevices(listener) {
  const { mediaDevices } = navigator;
  mediaDevices?.addEventListener("devicechange", listener);
  return () => mediaDevices?.removeEventListener("devicechange", listener);
}

/** @param {CameraOptions} [options] */
function cameraWanted({ deviceId } = {}) {
  return { ...CAMERA, ...exactly(deviceId) };
}

/** @param {MicrophoneOptions} [options] */
function microphoneWanted({ deviceId, echoCancellation = true, noiseSuppression = true, autoGainControl = true } = {}) {
  return { echoCancellation, noiseSuppression, autoGainControl, ...exactly(deviceId) };
}

/** @param {string | undefined} deviceId */
function exactly(deviceId) {
  return deviceId ? { deviceId: { exact: deviceId } } : {};
}

/**
 * @template Opened
 * @param {DeviceKind} device
 * @param {(devices: MediaDevices) => Promise<Opened>} open
 */
async function capture(device, open) {
  const words = device.replaceAll("_", " ");
  const { mediaDevices } = navigator;
  if (!mediaDevices) {
    throw new GreenroomError("device_unsupported", `The ${words} can be used on https:// pages and on localhost only.`, { details: { device } });
  }
  try {
    return await open(mediaDevices);
  } catch (error) {
    const { name = "", message = "" } = error instanceof Error ? error : {};
    const [code, sentence] = FAILURES[name] ?? ["device_failed", "It could not be opened."];
    // Only Chromium tells, and only by these words.
    const details = { device, system: code === "device_denied" && message.includes("by system") };
    throw new GreenroomError(code, `${words[0].toUpperCase()}${words.slice(1)}: ${sentence}`, { details });
  }
}
