/** A tile's picture outside the stage: over the whole screen, or in a small window over other programs. */

/** @typedef {HTMLVideoElement & {webkitEnterFullscreen?: () => void}} AnyVideo */

/**
 * @param {HTMLElement} tile
 * @param {AnyVideo} video
 */
export function canFillScreen(tile, video) {
  return typeof tile.requestFullscreen === "function" || typeof video.webkitEnterFullscreen === "function";
}

/** @param {HTMLElement} tile */
export function fillsScreen(tile) {
  return document.fullscreenElement === tile;
}

/**
 * Over the whole screen, or back. Rejects where the browser does not let it.
 *
 * @param {HTMLElement} tile
 * @param {AnyVideo} video
 */
export async function toggleFullScreen(tile, video) {
  if (fillsScreen(tile)) await document.exitFullscreen();
  else if (tile.requestFullscreen) await tile.requestFullscreen();
  // iPhones give the whole screen to videos only.
  else video.webkitEnterFullscreen?.();
}

/** @param {HTMLVideoElement} video */
export function canFloat(video) {
  return document.pictureInPictureEnabled === true && video.readyState > 0 && video.videoWidth > 0;
}

/** @param {HTMLVideoElement} video */
export function floats(video) {
  return (document.pictureInPictureElement ?? null) === video;
}

/**
 * Into the small window, or back. Rejects where the browser does not let it.
 *
 * @param {HTMLVideoElement} video
 */
export async function togglePictureInPicture(video) {
  if (floats(video)) await document.exitPictureInPicture();
  else await video.requestPictureInPicture();
}
