/** A connection stands within a second or two, or there is no way for it: browsers take half a minute to say that, and some never do. */
const PATIENCE_MS = 12_000;

/** Whether a media connection that is wanted gets through. */
export class Way {
  #onChange;
  #blocked = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {(open: boolean) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** A connection was begun, or lost. */
  seek() {
    if (!this.#blocked) this.#timer ??= setTimeout(() => this.#set(true), PATIENCE_MS);
  }

  /** It stands, or is wanted no more. */
  done() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#set(false);
  }

  /** @param {RTCPeerConnectionState} state */
  follow(state) {
    if (state === "connected") this.done();
    else if (state === "disconnected" || state === "failed") this.seek();
  }

  /** @param {boolean} blocked */
  #set(blocked) {
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    this.#onChange(!blocked);
  }
}
