/** Long enough to be recognised, too short to annoy. */
const TONE_S = 0.5;
const TONE_HZ = [523, 659];

/** Where the stage's sound comes out. */
export class SoundOutput {
  #choices;
  /** @type {Set<WeakRef<HTMLMediaElement>>} */
  #players = new Set();
  /** @type {string} the speaker in use; empty: the browser's own */
  #current = "";

  /** @param {import("./device_choices.js").DeviceChoices} choices */
  constructor(choices) {
    this.#choices = choices;
  }

  /** Whether this browser lets a page choose. */
  static get supported() {
    return "setSinkId" in HTMLMediaElement.prototype;
  }

  get current() {
    return this.#current;
  }

  /** @param {HTMLMediaElement} player plays at the chosen speaker from now on */
  attach(player) {
    this.#players.add(new WeakRef(player));
    if (this.#current) route(player, this.#current);
  }

  /**
   * Takes the chosen speaker while it is there. A page that was loaded just now may not know of it before a microphone is allowed.
   *
   * @param {import("../lib/devices.js").Device[]} speakers those there are
   */
  follow(speakers) {
    const chosen = this.#choices.id("speaker");
    const wanted = speakers.some(({ id }) => id === chosen) ? chosen : "";
    if (wanted === this.#current || !SoundOutput.supported) return;
    this.#current = wanted;
    for (const held of this.#players) {
      const player = held.deref();
      if (player) route(player, wanted);
      else this.#players.delete(held);
    }
  }

  /** Plays two notes at the speaker in use. */
  async test() {
    const context = new AudioContext();
    const out = context.createMediaStreamDestination();
    const gain = context.createGain();
    gain.connect(out);
    gain.gain.setValueAtTime(0.2, context.currentTime);
    gain.gain.linearRampToValueAtTime(0, context.currentTime + TONE_S);
    TONE_HZ.forEach((frequency, index) => {
      const note = new OscillatorNode(context, { frequency });
      note.connect(gain);
      note.start(context.currentTime + (index * TONE_S) / 3);
      note.stop(context.currentTime + TONE_S);
      note.onended = () => index === TONE_HZ.length - 1 && context.close();
    });
    const player = new Audio();
    player.srcObject = out.stream;
    if (this.#current) await route(player, this.#current);
    await player.play();
  }
}

/**
 * @param {HTMLMediaElement} player
 * @param {string} speaker
 */
function route(player, speaker) {
  // Where the browser refuses, the sound stays where it was, which is better than none.
  return player.setSinkId(speaker).catch(() => {});
}
