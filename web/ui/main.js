import { Api } from "../lib/index.js";
import { saveIdentity, savedIdentity, takeTokenFromAddress } from "./auth.js";
import { find, h } from "./dom.js";
import { keepFocus } from "./focus_keeper.js";
import { frame } from "./frame.js";
import { goLiveView } from "./go_live.js";
import { LocalMedia } from "./local_media.js";
import { lobbyView } from "./lobby.js";
import { roomView } from "./room_view.js";
import { signInView } from "./sign_in.js";
import { texts } from "./texts.js";
import { watchViewport } from "./viewport.js";

/**
 * @typedef {import("./auth.js").Identity} Identity
 *
 * @typedef {object} App
 * @property {Api} api
 * @property {LocalMedia} media
 * @property {HTMLElement} head where a view says something in the bar above it
 * @property {Identity | null} identity
 * @property {(identity: Identity | null, reason?: string) => void} signIn null signs out; `reason` is the code of the error that did it
 * @property {(token: string) => void} renew the same person has a newer token
 * @property {() => void} reopen shows the current address anew
 *
 * @typedef {() => void} Dispose ends what a view has running
 */

const main = find(document, "#main");
const top = find(document, "#top");

/** @type {App} */
const app = { api: new Api(), media: new LocalMedia(), head: h("div", { class: "top-middle" }), identity: null, signIn, renew, reopen: () => show() };
/** @type {Dispose} */
let dispose = () => {};

/**
 * @param {Identity | null} identity
 * @param {string} [reason]
 */
function signIn(identity, reason) {
  setIdentity(identity);
  show(reason);
}

/** @param {string} token */
function renew(token) {
  if (app.identity) setIdentity({ ...app.identity, token });
}

/** @param {Identity | null} identity */
function setIdentity(identity) {
  saveIdentity(identity);
  app.identity = identity;
  app.api.setToken(identity?.token ?? null);
}

/** @param {string} [reason] why somebody has to sign in again */
function show(reason) {
  dispose();
  const room = /^#\/s\/([^/?]+)/.exec(location.hash);
  app.head.replaceChildren();
  top.replaceChildren(...frame(app.identity?.name ?? null, app.head, app.identity && !room ? () => signIn(null) : null));
  main.className = room && app.identity ? "main-room" : "main-page";
  // A room has a title of its own as soon as it is known.
  const view = !app.identity ? texts.frame.signIn : location.hash === "#/live" ? texts.goLive.title : texts.lobby.title;
  document.title = `${view} · Greenroom`;
  if (!app.identity) dispose = signInView(app, main, room !== null, reason);
  else if (room) dispose = roomView(app, main, decodeURIComponent(room[1]));
  else if (location.hash === "#/live") dispose = goLiveView(app, main);
  else dispose = lobbyView(app, main);
}

function start() {
  const given = takeTokenFromAddress();
  setIdentity(given ?? savedIdentity());
  show();
}

document.documentElement.lang = texts.language;
keepFocus();
watchViewport();
addEventListener("hashchange", () => (/token=/.test(location.hash) ? start() : show()));
start();
