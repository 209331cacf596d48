/** A page in the background draws no frames, but what it plays goes on changing. */
const HIDDEN_MS = 250;

/**
 * Makes of many calls one before the next frame.
 *
 * @param {() => void} draw
 * @returns {{request: () => void, cancel: () => void}}
 */
export function oncePerFrame(draw) {
  let frame = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const cancel = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    frame = 0;
    timer = undefined;
  };
  const run = () => {
    cancel();
    draw();
  };
  const request = () => {
    frame ||= requestAnimationFrame(run);
    timer ??= setTimeout(run, HIDDEN_MS);
  };
  return { request, cancel };
}
