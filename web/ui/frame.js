import { confirmStep } from "./confirm.js";
import { h, icon } from "./dom.js";
import { openBeside } from "./popover.js";
import { THEMES, currentTheme, saveLanguage, setTheme } from "./preferences.js";
import { LANGUAGES, texts } from "./texts.js";

/** Addresses of views that lose something when the page is loaded anew: what was written, or a few seconds of a session. */
const BUSY = /^#\/(s\/|live)/;

/**
 * What stands above every view.
 *
 * @param {string | null} name of who is signed in
 * @param {HTMLElement} middle what the view says there
 * @param {(() => void) | null} signOut null where it would be a slip of the hand: in a session, which is left first
 * @returns {HTMLElement[]}
 */
export function frame(name, middle, signOut) {
  const who = h("span", { class: "who", dir: "auto", dataset: { testid: "signed-in-name" } }, name);
  const out = signOut && h("button", { type: "button", class: "quiet", dataset: { testid: "sign-out" }, onClick: signOut }, texts.frame.signOut);
  return [
    h("a", { href: "#/", class: "brand" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), h("span", { class: "brand-name" }, "Greenroom")),
    middle,
    h("div", { class: "top-end" }, name !== null && who, preferencesButton(), out),
  ];
}

function preferencesButton() {
  const label = texts.frame.preferences;
  const button = h("button", {
    type: "button", class: "quiet frame-button", "aria-label": label, title: label, "aria-haspopup": "dialog", "aria-expanded": "false",
    dataset: { testid: "preferences" }, onClick: () => openPreferences(button),
  }, icon("globe"));
  return button;
}

/** @param {HTMLElement} button */
function openPreferences(button) {
  const languages = Object.values(LANGUAGES).map(({ language, languageName }) =>
    h("button", {
      type: "button", lang: language, "aria-current": language === texts.language && "true", dataset: { testid: `language-${language}` },
      onClick: () => changeLanguage(language, () => dialog.hidePopover()),
    }, languageName));
  const themes = THEMES.map((theme) =>
    h("label", { class: "segment" },
      h("input", { type: "radio", name: "theme", value: theme, checked: theme === currentTheme(), onChange: () => setTheme(theme) }),
      h("span", {}, texts.frame.themes[theme])));
  const dialog = h("div", { class: "menu preferences", popover: "auto", role: "dialog", "aria-label": texts.frame.preferences },
    h("div", { class: "field", role: "group", "aria-labelledby": "languages" },
      h("span", { class: "field-name", id: "languages" }, texts.frame.language), h("div", { class: "languages" }, ...languages)),
    h("fieldset", { class: "field" }, h("legend", {}, texts.frame.theme), h("div", { class: "segments" }, ...themes)));
  openBeside(dialog, button);
  dialog.querySelector("button")?.focus();
}

/**
 * The page is loaded anew: every word on it is another one.
 *
 * @param {string} language
 * @param {() => void} close
 */
async function changeLanguage(language, close) {
  close();
  if (language === texts.language) return;
  const { languageQuestion: title, languageText: text, languageGo: action } = texts.frame;
  if (BUSY.test(location.hash) && !(await confirmStep({ title, text, action }))) return;
  saveLanguage(language);
  location.reload();
}
