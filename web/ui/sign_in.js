import { errorCode } from "../lib/index.js";
import { identityOf } from "./auth.js";
import { h } from "./dom.js";
import { pitch } from "./pitch.js";
import { sentence, texts } from "./texts.js";

/**
 * Signing in by name, or by token where the server gives none.
 *
 * @param {import("./main.js").App} app
 * @param {HTMLElement} root
 * @param {boolean} invited whether a link to a session led here
 * @param {string} [reason] code of the error that signed somebody out
 * @returns {import("./main.js").Dispose}
 */
export function signInView(app, root, invited, reason = "") {
  const problem = h("p", { class: "problem", role: "alert", dataset: { testid: "sign-in-error" } });
  const card = h("section", { class: "card sign-in" });

  const nameInput = h("input", {
    id: "name", name: "name", required: true, maxlength: 80, autocomplete: "name", placeholder: texts.signIn.namePlaceholder,
    dataset: { testid: "sign-in-name" },
  });
  const tokenInput = h("textarea", {
    id: "token", name: "token", required: true, rows: 4, spellcheck: "false", autocomplete: "off",
    dataset: { testid: "sign-in-token" },
  });

  /** @param {SubmitEvent} event */
  async function byName(event) {
    event.preventDefault();
    problem.textContent = "";
    const name = nameInput.value.trim();
    if (!name) return;
    try {
      app.signIn(await app.api.devToken(name));
    } catch (error) {
      if (["not_found", "http_404"].includes(errorCode(error))) showForm("token");
      else problem.textContent = sentence(error);
    }
  }

  /** @param {SubmitEvent} event */
  function byToken(event) {
    event.preventDefault();
    const identity = identityOf(tokenInput.value.trim());
    if (identity) app.signIn(identity);
    else problem.textContent = texts.signIn.notAToken;
  }

  /** @param {"name" | "token"} which */
  function showForm(which) {
    const heading = h("h1", {}, invited ? texts.signIn.invited : texts.signIn.welcome);
    const button = (/** @type {string} */ text) =>
      h("button", { type: "submit", class: "primary wide", dataset: { testid: "sign-in-button" } }, text);
    const form =
      which === "name"
        ? h("form", { onSubmit: byName },
            h("label", { for: "name" }, texts.signIn.name), nameInput, problem, button(texts.signIn.go))
        : h("form", { onSubmit: byToken },
            h("label", { for: "token" }, texts.signIn.token), tokenInput, problem, button(texts.signIn.tokenGo));
    const hint =
      which === "name"
        ? invited ? texts.signIn.invitedHint : texts.signIn.hint
        : texts.signIn.tokenHint;
    card.replaceChildren(heading, h("p", { class: "muted" }, hint), form);
    (which === "name" ? nameInput : tokenInput).focus();
  }

  root.replaceChildren(h("div", { class: "welcome" }, card, pitch()));
  showForm("name");
  problem.textContent = texts.errors[reason] ?? "";
  return () => {};
}
