import { h, icon, reconcile, setAttribute, setText, find } from "./dom.js";

/** @typedef {import("../lib/types.js").Session} Session */

const REFRESH_MS = 5_000;
export const TYPE_NAMES = { camera: "Camera", screen: "Screen", audio: "Audio only" };

/**
 * The list of live sessions.
 *
 * @param {import("./main.js").App} app
 * @param {HTMLElement} root
 * @returns {import("./main.js").Dispose}
 */
export function lobbyView(app, root) {
  const list = h("ul", { class: "cards", dataset: { testid: "session-list" } });
  const status = h("p", { class: "lobby-status muted", role: "status" }, "Looking for live sessions…");
  root.replaceChildren(
    h("div", { class: "page-head" },
      h("div", {}, h("h1", {}, "Live now"), h("p", { class: "muted" }, "Watch a session, or ask to join it on stage.")),
      h("button", { type: "button", class: "primary", dataset: { testid: "go-live" }, onClick: () => (location.hash = "#/live") },
        "Go live")),
    status,
    list,
  );

  let stopped = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  async function refresh() {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        const { sessions } = await app.api.active();
        if (stopped) return;
        setText(status, sessions.length ? "" : "Nobody is live at the moment. Be the first.");
        reconcile(list, sessions, (session) => session.id, createCard, updateCard);
      } catch (error) {
        if (stopped) return;
        if (/** @type {any} */ (error).status === 401) return app.signIn(null);
        setText(status, `${/** @type {Error} */ (error).message} Trying again…`);
      }
    }
    if (!stopped) timer = setTimeout(refresh, REFRESH_MS);
  }

  document.addEventListener("visibilitychange", refresh);
  refresh();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", refresh);
  };
}

/** @param {Session} session */
function createCard(session) {
  return h("li", {},
    h("a", {
      class: "session-card", href: `#/s/${encodeURIComponent(session.id)}`,
      dataset: { testid: "session-card", sessionId: session.id },
    },
      h("span", { class: "card-top" }, h("span", { class: "live" }, "Live"), h("span", { class: "chip type" })),
      h("strong", { class: "card-title" }),
      h("span", { class: "card-text muted" }),
      h("span", { class: "card-foot" },
        h("span", { class: "card-host" }),
        h("span", { class: "count viewers" }, icon("eye"), h("span", {})),
        h("span", { class: "count guests" }, icon("people"), h("span", {})))));
}

/**
 * @param {HTMLElement} element
 * @param {Session} session
 */
function updateCard(element, session) {
  setText(find(element, ".type"), TYPE_NAMES[session.session_type]);
  setText(find(element, ".card-title"), session.title);
  setText(find(element, ".card-text"), session.description);
  setText(find(element, ".card-host"), session.host_name);
  setText(find(element, ".viewers span"), String(session.viewer_count));
  setText(find(element, ".guests span"), String(session.guest_count));
  setAttribute(find(element, ".viewers"), "title", "Viewers");
  setAttribute(find(element, ".guests"), "title", "Guests on stage");
  const { title, host_name, viewer_count, guest_count } = session;
  setAttribute(find(element, ".session-card"), "aria-label",
    `${title}, by ${host_name}, ${viewer_count} viewers, ${guest_count} guests`);
}
