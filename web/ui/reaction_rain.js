import { h } from "./dom.js";

/** @typedef {{sprite: HTMLCanvasElement, born: number, life: number, x: number, sway: number, phase: number, scale: number}} Particle */

/** More at once would cover each other. */
const MAX_PARTICLES = 140;
/** Of one type in one burst; more look the same. */
const MAX_BURST = 14;
/** The server tells of reactions ten times a second: a burst is spread over a little more than that. */
const SPREAD_MS = 220;
const LIFE_MS = 2_400;
const SIZE_PX = 30;
/** As `--emoji` in style.css: the colourful ones before others that have the same characters. */
const EMOJI_FONTS = '"Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", sans-serif';
const REDUCED_MOTION = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * Reactions that float up over the stage, drawn on one canvas. It costs the same with three and with three hundred a second, and nothing
 * while there are none.
 */
export class ReactionRain {
  element = h("canvas", { class: "rain", "aria-hidden": "true" });
  #context = /** @type {CanvasRenderingContext2D} */ (this.element.getContext("2d"));
  /** @type {Particle[]} */
  #particles = [];
  /** @type {Map<string, HTMLCanvasElement>} */
  #sprites = new Map();
  #frame = 0;
  #resize = new ResizeObserver(() => this.#fit());

  constructor() {
    this.#resize.observe(this.element);
  }

  dispose() {
    cancelAnimationFrame(this.#frame);
    this.#resize.disconnect();
  }

  /**
   * @param {string} glyph
   * @param {number} count how many came
   */
  burst(glyph, count) {
    if (REDUCED_MOTION.matches || document.hidden || this.element.width === 0) return;
    const room = MAX_PARTICLES - this.#particles.length;
    const now = performance.now();
    for (let index = 0; index < Math.min(count, MAX_BURST, room); index++) this.#particles.push(this.#create(glyph, now));
    if (this.#particles.length) this.#frame ||= requestAnimationFrame((time) => this.#draw(time));
  }

  /**
   * @param {string} glyph
   * @param {number} now
   * @returns {Particle}
   */
  #create(glyph, now) {
    return {
      sprite: this.#spriteOf(glyph),
      born: now + Math.random() * SPREAD_MS,
      life: LIFE_MS * (0.8 + Math.random() * 0.5),
      x: 0.2 + Math.random() * 0.6,
      sway: 6 + Math.random() * 14,
      phase: Math.random() * 2 * Math.PI,
      scale: 0.75 + Math.random() * 0.55,
    };
  }

  /** @param {number} now */
  #draw(now) {
    const { width, height } = this.element;
    const ratio = devicePixelRatio;
    this.#context.clearRect(0, 0, width, height);
    this.#particles = this.#particles.filter(({ born, life }) => now < born + life);
    for (const { sprite, born, life, x, sway, phase, scale } of this.#particles) {
      const age = (now - born) / life;
      if (age < 0) continue;
      const size = SIZE_PX * ratio * scale * Math.min(1, 0.4 + age * 6);
      const left = x * width + Math.sin(phase + age * 7) * sway * ratio - size / 2;
      this.#context.globalAlpha = Math.min(1, (1 - age) * 2.5);
      this.#context.drawImage(sprite, left, height - (height - size) * easeOut(age) - size, size, size);
    }
    this.#context.globalAlpha = 1;
    this.#frame = this.#particles.length ? requestAnimationFrame((time) => this.#draw(time)) : 0;
  }

  /** Text is slow to draw: each glyph is drawn once, larger than it is shown. @param {string} glyph */
  #spriteOf(glyph) {
    const known = this.#sprites.get(glyph);
    if (known) return known;
    const size = Math.ceil(SIZE_PX * 1.3 * devicePixelRatio);
    const sprite = h("canvas", { width: size, height: size });
    const context = /** @type {CanvasRenderingContext2D} */ (sprite.getContext("2d"));
    context.font = `${Math.floor(size * 0.78)}px ${EMOJI_FONTS}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(glyph, size / 2, size * 0.54);
    this.#sprites.set(glyph, sprite);
    return sprite;
  }

  #fit() {
    const { clientWidth, clientHeight } = this.element;
    this.element.width = Math.round(clientWidth * devicePixelRatio);
    this.element.height = Math.round(clientHeight * devicePixelRatio);
  }
}

/** @param {number} share 0 to 1 */
function easeOut(share) {
  return 1 - (1 - share) ** 1.6;
}
