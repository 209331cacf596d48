// How a person wants the page itself: remembered by the browser, for all tabs.

/** @typedef {"system" | "dark" | "light"} Theme */

/** @type {Theme[]} */
export const THEMES = ["system", "dark", "light"];
/** Read by theme.js too. */
const THEME_KEY = "greenroom.theme";
const LANGUAGE_KEY = "greenroom.language";

/** @returns {Theme} */
export function currentTheme() {
  const wanted = document.documentElement.dataset.theme;
  return THEMES.find((theme) => theme === wanted) ?? "system";
}

/** @param {Theme} theme counts at once */
export function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  save(THEME_KEY, theme);
}

/** @returns {string | null} null: as the browser has it */
export function savedLanguage() {
  try {
    return localStorage.getItem(LANGUAGE_KEY);
  } catch {
    return null;
  }
}

/** @param {string} language counts when the page is loaded anew */
export function saveLanguage(language) {
  save(LANGUAGE_KEY, language);
}

/**
 * @param {string} key
 * @param {string} value
 */
function save(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is blocked or full: it counts for this page only.
  }
}
