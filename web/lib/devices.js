import { GreenroomError } from "./errors.js";

/** What a camera is asked for; a browser gives the nearest that it has. */
const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

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
 * @returns {Promise<MediaStreamTrack>} rejects with a `GreenroomError`: `device_denied`, `device_not_found`, `device_busy`,
 *   `device_unsupported` or `device_failed`
 */
export async function openCamera() {
  const stream = await capture("camera", (devices) => devices.getUserMedia({ video: CAMERA }));
  return stream.getVideoTracks()[0];
}

/** @returns {Promise<MediaStreamTrack>} errors as in `openCamera` */
export async function openMicrophone() {
  const stream = await capture("microphone", (devices) => devices.getUserMedia({ audio: MICROPHONE }));
  return stream.getAudioTracks()[0];
}

/**
 * Both with one question to the user.
 *
 * @returns {Promise<{camera: MediaStreamTrack, microphone: MediaStreamTrack}>} errors as in `openCamera`
 */
export async function openCameraAndMicrophone() {
  const options = { video: CAMERA, audio: MICROPHONE };
  const stream = await capture("camera and microphone", (devices) => devices.getUserMedia(options));
  return { camera: stream.getVideoTracks()[0], microphone: stream.getAudioTracks()[0] };
}

/**
 * Must be called from a click: browsers refuse it otherwise.
 *
 * @returns {Promise<{screen: MediaStreamTrack, screenAudio: MediaStreamTrack | null}>} errors as in `openCamera`
 */
export async function openScreen() {
  const options = { video: { frameRate: { ideal: 15, max: 30 } }, audio: true };
  const stream = await capture("screen", (devices) => devices.getDisplayMedia(options));
  return { screen: stream.getVideoTracks()[0], screenAudio: stream.getAudioTracks()[0] ?? null };
}

/**
 * @param {string} device
 * @param {(devices: MediaDevices) => Promise<MediaStream>} open
 */
async function capture(device, open) {
  const { mediaDevices } = navigator;
  if (!mediaDevices) {
    throw new GreenroomError("device_unsupported", `The ${device} can be used on https:// pages and on localhost only.`);
  }
  try {
    return await open(mediaDevices);
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    const [code, sentence] = FAILURES[name] ?? ["device_failed", "It could not be opened."];
    throw new GreenroomError(code, `${device[0].toUpperCase()}${device.slice(1)}: ${sentence}`);
  }
}
