/** How long a picture waits for the sound to start playing first. */
const SOUND_FIRST_MS = 700;

/**
 * What plays in a tile: one media element with the sound and the picture of a participant.
 */
export class TileMedia {
  #element;
  #stream = new MediaStream();
  #onBlocked;
  /** @type {MediaStreamTrack | null} */
  #audio = null;
  /** @type {MediaStreamTrack | null} */
  #video = null;
  #soundHadItsTime = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLVideoElement} element
   * @param {() => void} onBlocked the browser wants a click before it plays sound
   */
  constructor(element, onBlocked) {
    this.#element = element;
    this.#onBlocked = onBlocked;
    element.addEventListener("playing", () => this.#soundPlays());
  }

  /**
   * @param {MediaStreamTrack | null} audio
   * @param {MediaStreamTrack | null} video
   */
  set(audio, video) {
    if (audio === this.#audio && video === this.#video) return;
    this.#audio = audio;
    this.#video = video;
    this.#sync();
  }

  /** After a click: sound may be played now. */
  unblock() {
    if (!this.#element.dataset.blocked) return;
    delete this.#element.dataset.blocked;
    this.#element.muted = false;
    this.#play();
  }

  dispose() {
    clearTimeout(this.#timer);
    this.#element.srcObject = null;
  }

  #sync() {
    // An element plays nothing before the first frame of its picture is there. A picture that is slow to come must not hold up the sound, so it is
    // added to a stream that plays already.
    const waits = this.#audio && this.#video && !this.#soundHadItsTime;
    const wanted = [this.#audio, waits ? null : this.#video].filter((track) => track !== null);
    for (const track of this.#stream.getTracks()) if (!wanted.includes(track)) this.#stream.removeTrack(track);
    for (const track of wanted) this.#stream.addTrack(track);
    if (waits && this.#timer === undefined) this.#timer = setTimeout(() => this.#soundPlays(), SOUND_FIRST_MS);
    if (wanted.length === 0) return;
    if (this.#element.srcObject !== this.#stream) this.#element.srcObject = this.#stream;
    this.#play();
  }

  #soundPlays() {
    if (this.#soundHadItsTime || !this.#audio) return;
    clearTimeout(this.#timer);
    this.#soundHadItsTime = true;
    this.#sync();
  }

  #play() {
    this.#element.play().catch((error) => {
      if (error.name !== "NotAllowedError" || this.#element.muted) return;
      this.#element.dataset.blocked = "true";
      this.#element.muted = true;
      this.#onBlocked();
      this.#play();
    });
  }
}
