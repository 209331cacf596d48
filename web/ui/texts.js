import { savedLanguage } from "./preferences.js";
import { german } from "./texts_de.js";
import { english } from "./texts_en.js";

/** @typedef {typeof english} Texts what a language has to say; one that lacks something is no type of it */

/** @type {Record<string, Texts>} by language; another one is a module beside texts_en.js and a name here */
export const LANGUAGES = { en: english, de: german };

/** The texts in the language that was chosen, or else the first one of the browser's user that there is. */
export const texts = choose([savedLanguage() ?? "", ...navigator.languages]);

/** How that language is written where its reader lives, for numbers and times: "en-GB", "de-AT". */
export const locale = navigator.languages.find((tag) => languageOf(tag) === texts.language) ?? texts.language;

/** @param {readonly string[]} wanted */
function choose(wanted) {
  for (const tag of wanted) if (Object.hasOwn(LANGUAGES, languageOf(tag))) return LANGUAGES[languageOf(tag)];
  return english;
}

/** @param {string} tag of BCP 47 */
function languageOf(tag) {
  return tag.split("-")[0].toLowerCase();
}

const CLOCK = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });

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
