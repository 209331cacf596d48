import { english } from "./texts_en.js";

/** @typedef {typeof english} Texts what a language has to say */

/** @type {Record<string, Texts>} by language; a second one is a module beside texts_en.js and a line here */
const LANGUAGES = { en: english };

/** The texts in the first language of the browser's user that there is. */
export const texts = choose(navigator.languages);

/** @param {readonly string[]} wanted */
function choose(wanted) {
  for (const tag of wanted) {
    const language = tag.split("-")[0].toLowerCase();
    if (Object.hasOwn(LANGUAGES, language)) return LANGUAGES[language];
  }
  return english;
}

const CLOCK = new Intl.DateTimeFormat(navigator.language, { hour: "2-digit", minute: "2-digit" });

/** @param {string} iso a moment as the server writes it; the time of day comes out as its reader is used to it */
export function timeOfDay(iso) {
  return CLOCK.format(new Date(iso));
}

/**
 * @param {unknown} error of the library
 * @returns {string} a sentence for people
 */
export function sentence(error) {
  const { code = "", message = String(error), retryAfterS = 0 } = /** @type {import("../lib/index.js").GreenroomError} */ (error);
  const said = texts.errors[code] ?? message;
  return retryAfterS >= 1 ? `${said} ${texts.tryAgainIn(Math.ceil(retryAfterS))}` : said;
}
