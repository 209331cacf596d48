/**
 * Where the tiles of a stage go, by arithmetic only: nothing here knows the page. All lengths are CSS pixels.
 *
 * @typedef {{width: number, height: number}} Size
 *
 * @typedef {object} Arrangement
 * @property {"grid" | "beside" | "below"} mode `grid`: all tiles are alike. Otherwise one is large, with the others on its right or below it.
 * @property {number} columns of the tiles that are not large
 * @property {number} rows of the same
 * @property {Size} tile size of the tiles that are not large
 * @property {Size | null} large
 * @property {boolean} scrolls whether the tiles take more height than there is
 * @property {number} height what all of it takes
 */

export const GAP_PX = 10;
const WIDEST = 16 / 9;
/** Cameras are 16:9 mostly. A tile of 4:3 cuts a quarter of the picture off, at its sides, where nobody's face is. */
const NARROWEST = 4 / 3;
/** Two look at each other: side by side, for which there is height enough nearly everywhere. */
const NARROWEST_OF_TWO = 1.1;
/** On a phone there is more height than width. */
const NARROWEST_ON_PHONE = 0.9;
const PHONE_PX = 560;
/** In narrower tiles nobody is recognised: the stage scrolls instead. */
const SMALLEST_PX = 108;
/** Tiles of a stage that scrolls are at least as wide. */
const SCROLLED_PX = 140;
/** The width that tiles beside a large one take, by their number of columns: of the stage's. */
const SIDE_SHARE = [0, 0.2, 0.3, 0, 0];
const LARGEST_SHARE_OF_HEIGHT = 0.62;
/** Beside each other people are better together than above each other: for that much of the area. */
const GOOD_ENOUGH = 0.9;

/**
 * @param {Size} box the stage
 * @param {number} count of tiles, the large one included
 * @param {number | null} largeAspect width to height of the large tile's picture; null: no tile is large
 * @returns {Arrangement}
 */
export function arrange(box, count, largeAspect) {
  if (largeAspect === null) return grid(box, count);
  if (count === 1) return alone(box, largeAspect);
  const under = below(box, count - 1, largeAspect);
  if (box.width < PHONE_PX || box.width < box.height * 1.1) return under;
  const aside = beside(box, count - 1, largeAspect);
  return aside.scrolls && !under.scrolls && areaOfLarge(under) >= areaOfLarge(aside) ? under : aside;
}

/**
 * @param {Size} box
 * @param {number} count
 * @returns {Arrangement}
 */
function grid(box, count) {
  const onPhone = box.width < PHONE_PX;
  const narrowest = count === 1 ? NARROWEST : onPhone ? NARROWEST_ON_PHONE : count === 2 ? NARROWEST_OF_TWO : NARROWEST;
  const best = largestTiles(box, count, 1, narrowest);
  if (best.tile.width >= SMALLEST_PX) return { mode: "grid", ...best, large: null, scrolls: false, height: stacked(best.rows, best.tile.height) };
  return { mode: "grid", ...scrolled(box.width, count, SCROLLED_PX, onPhone ? NARROWEST : WIDEST), large: null };
}

/**
 * @param {Size} box
 * @param {number} aspect
 * @returns {Arrangement}
 */
function alone(box, aspect) {
  const large = contained(box, aspect);
  return { mode: "grid", columns: 1, rows: 1, tile: large, large: null, scrolls: false, height: large.height };
}

/**
 * @param {Size} box
 * @param {number} others
 * @param {number} aspect
 * @returns {Arrangement}
 */
function beside(box, others, aspect) {
  // What a large tile as high as the stage leaves free costs nothing.
  const spare = Math.min(box.width / 2, box.width - GAP_PX - box.height * aspect);
  /** @type {{covers: number, found: Arrangement} | null} */
  let best = null;
  for (let columns = 1; columns < SIDE_SHARE.length && columns <= others; columns++) {
    const rows = Math.ceil(others / columns);
    const side = Math.max(spare, box.width * SIDE_SHARE[columns]);
    const tile = shaped({ width: each(side, columns), height: each(box.height, rows) }, NARROWEST);
    if (tile.width < SMALLEST_PX) continue;
    const large = besideLarge(box, columns, tile, aspect);
    const height = Math.max(large.height, stacked(rows, tile.height));
    const covers = area(large) + others * area(tile);
    if (best && covers <= best.covers) continue;
    best = { covers, found: /** @type {Arrangement} */ ({ mode: "beside", columns, rows, tile, large, scrolls: false, height }) };
  }
  if (best) return best.found;
  const columns = Math.min(others, box.width >= 1.25 * PHONE_PX ? 2 : 1);
  const width = Math.floor(Math.max(SMALLEST_PX, each(box.width * SIDE_SHARE[columns], columns)));
  const tile = { width, height: Math.floor(width / WIDEST) };
  const rows = Math.ceil(others / columns);
  const large = besideLarge(box, columns, tile, aspect);
  return { mode: "beside", columns, rows, tile, large, scrolls: true, height: stacked(rows, tile.height) };
}

/**
 * @param {Size} box
 * @param {number} columns
 * @param {Size} tile
 * @param {number} aspect
 */
function besideLarge(box, columns, tile, aspect) {
  return contained({ width: box.width - columns * (tile.width + GAP_PX), height: box.height }, aspect);
}

/**
 * @param {Size} box
 * @param {number} others
 * @param {number} aspect
 * @returns {Arrangement}
 */
function below(box, others, aspect) {
  const large = contained({ width: box.width, height: box.height * LARGEST_SHARE_OF_HEIGHT }, aspect);
  const above = large.height + GAP_PX;
  // Two columns at least: the large tile is to be the largest.
  const best = largestTiles({ width: box.width, height: box.height - above }, others, 2, 1);
  if (best.tile.width >= SMALLEST_PX) {
    return { mode: "below", ...best, large, scrolls: false, height: above + stacked(best.rows, best.tile.height) };
  }
  const small = scrolled(box.width, others, SMALLEST_PX, NARROWEST);
  return { mode: "below", ...small, large, height: above + small.height };
}

/**
 * The number of columns that makes tiles largest, or a few more that make them hardly smaller.
 *
 * @param {Size} box
 * @param {number} count
 * @param {number} fewest columns that the width is shared among
 * @param {number} narrowest
 */
function largestTiles(box, count, fewest, narrowest) {
  const found = [];
  for (let columns = fewest; columns <= Math.max(fewest, count); columns++) {
    const rows = Math.ceil(count / columns);
    const tile = shaped({ width: each(box.width, columns), height: each(box.height, rows) }, narrowest);
    found.push({ columns: Math.min(columns, count), rows, tile });
  }
  const largest = Math.max(...found.map(({ tile }) => area(tile)));
  return /** @type {typeof found[0]} */ (found.findLast(({ tile }) => area(tile) >= largest * GOOD_ENOUGH));
}

/**
 * @param {number} width
 * @param {number} count
 * @param {number} narrowestPx
 * @param {number} aspect
 */
function scrolled(width, count, narrowestPx, aspect) {
  const columns = Math.max(1, Math.min(count, Math.floor((width + GAP_PX) / (narrowestPx + GAP_PX))));
  const rows = Math.ceil(count / columns);
  const across = Math.floor(each(width, columns));
  const tile = { width: across, height: Math.floor(across / aspect) };
  return { columns, rows, tile, scrolls: true, height: stacked(rows, tile.height) };
}

/**
 * The largest size within a space whose shape is between `narrowest` and 16:9.
 *
 * @param {Size} space
 * @param {number} narrowest
 * @returns {Size}
 */
function shaped({ width, height }, narrowest) {
  return {
    width: Math.max(0, Math.floor(Math.min(width, height * WIDEST))),
    height: Math.max(0, Math.floor(Math.min(height, width / narrowest))),
  };
}

/**
 * @param {Size} space
 * @param {number} aspect
 * @returns {Size}
 */
function contained({ width, height }, aspect) {
  return { width: Math.floor(Math.min(width, height * aspect)), height: Math.floor(Math.min(height, width / aspect)) };
}

/**
 * What each of some tiles side by side gets of a length.
 *
 * @param {number} length
 * @param {number} count
 */
function each(length, count) {
  return (length - GAP_PX * (count - 1)) / count;
}

/**
 * @param {number} rows
 * @param {number} height
 */
function stacked(rows, height) {
  return rows * (height + GAP_PX) - GAP_PX;
}

/** @param {Size} size */
function area({ width, height }) {
  return width * height;
}

/** @param {Arrangement} arrangement */
function areaOfLarge({ large }) {
  return large ? area(large) : 0;
}
