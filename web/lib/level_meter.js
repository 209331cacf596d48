/** What a reading looks back on: 85 ms at 48 kHz, so that ten readings a second miss little. */
const SAMPLES = 4096;

/** @type {AudioContext | null} one for all meters, while there are any */
let context = null;
let meters = 0;
let resuming = false;

/**
 * How loud a track is, measured in this page. For the own microphone: what is received is told by `RTCRtpReceiver` more cheaply.
 *
 * Browsers measure nothing on a page that nobody has touched yet; until then the level is 0.
 */
export class LevelMeter {
  #track;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  #samples = new Float32Array(SAMPLES);
  #closed = false;

  /** @param {MediaStreamTrack} track with sound; it is neither stopped nor played */
  constructor(track) {
    this.#track = track;
    meters += 1;
  }

  get track() {
    return this.#track;
  }

  /** @returns {number} 0 to 1: the root mean square of the last moment; a full-scale sine has 0.7 */
  read() {
    if (!this.#track.enabled || this.#track.readyState === "ended" || !this.#open()) return 0;
    this.#analyser?.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.sqrt(sum / SAMPLES);
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#source?.disconnect();
    meters -= 1;
    if (meters > 0) return;
    context?.close();
    context = null;
    resuming = false;
  }

  #open() {
    if (this.#closed || !mayMeasure()) return false;
    context ??= new AudioContext({ latencyHint: "playback" });
    if (context.state === "suspended") resume(context);
    if (this.#analyser) return true;
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = SAMPLES;
    this.#source = context.createMediaStreamSource(new MediaStream([this.#track]));
    this.#source.connect(this.#analyser);
    return true;
  }
}

/** A phone call suspends a context. Without any device for sound Firefox never starts one. @param {AudioContext} suspended */
function resume(suspended) {
  if (resuming) return;
  resuming = true;
  suspended
    .resume()
    .catch(() => {})
    .finally(() => (resuming = false));
}

/** Before the first touch a context would stay silent for good, and browsers complain on the console. */
function mayMeasure() {
  return context !== null || (navigator.userActivation?.hasBeenActive ?? true);
}
