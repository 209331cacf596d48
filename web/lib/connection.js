/**
 * How long `disconnected` may last. A change of network recovers by itself in a second or two or not at all, since neither side
 * gathers candidates anew.
 */
const DISCONNECTED_MS = 4_000;
/** Shortest and longest wait between two attempts at the same connection. */
const RESTART_MS = 1_000;
const RESTART_MAX_MS = 15_000;

/**
 * Calls `onFailed` once when a peer connection has failed or was disconnected for too long.
 *
 * @param {RTCPeerConnection} pc
 * @param {() => void} onFailed
 * @param {(state: RTCPeerConnectionState) => void} onState
 */
export function watchConnection(pc, onFailed, onState) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const check = () => {
    clearTimeout(timer);
    onState(pc.connectionState);
    const lost = pc.connectionState === "failed" || pc.iceConnectionState === "failed";
    const shaky = pc.connectionState === "disconnected" || pc.iceConnectionState === "disconnected";
    if (lost) {
      stop();
      onFailed();
    } else if (shaky) {
      timer = setTimeout(() => {
        stop();
        onFailed();
      }, DISCONNECTED_MS);
    }
  };
  const stop = () => {
    clearTimeout(timer);
    pc.removeEventListener("connectionstatechange", check);
    pc.removeEventListener("iceconnectionstatechange", check);
  };
  pc.addEventListener("connectionstatechange", check);
  pc.addEventListener("iceconnectionstatechange", check);
  return stop;
}

/** Waits between attempts: none before the first, then doubling until a connection has stood. */
export class Backoff {
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {() => void} action runs later; a second call before that changes nothing */
  schedule(action) {
    if (this.#timer !== undefined) return;
    const ceiling = Math.min(RESTART_MAX_MS, RESTART_MS * 2 ** (this.#attempt - 1));
    const ms = this.#attempt === 0 ? 0 : ceiling * (0.5 + Math.random() / 2);
    this.#attempt += 1;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      action();
    }, ms);
  }

  succeeded() {
    this.#attempt = 0;
  }

  cancel() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
