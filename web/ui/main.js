import { Api } from "../lib/index.js";
import { saveIdentity, savedIdentity, takeTokenFromAddress } from "./auth.js";
import { find, h } from "./dom.js";
import { goLiveView } from "./go_live.js";
import { LocalMedia } from "./local_media.js";
import { lobbyView } from "./lobby.js";
import { roomView } from "./room_view.js";
import { signInView } from "./sign_in.js";
import { texts } from "./texts.js";

/**
 * @typedef {import("./auth.js").Identity} Identity
 *
 * @typedef {object} App
 * @property {Api} api
 * @property {LocalMedia} media
 * @property {Identity | null} identity
 * @property {(identity: Identity | null) => void} signIn null signs out
 * @property {(token: string) => void} renew the same person has a newer token
 * @property {() => void} reopen shows the current address anew
 *
 * @typedef {() => void} Dispose ends what a view has running
 */

const main = find(document, "#main");
const top = find(document, "#top");

/** @type {App} */
const app = { api: new Api(), media: new LocalMedia(), identity: null, signIn, renew, reopen: show };
/** @type {Dispose} */
let dispose = () => {};

/** @param {Identity | null} identity */
function signIn(identity) {
  setIdentity(identity);
  show();
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

function show() {
  dispose();
  renderTop();
  const room = /^#\/s\/([^/?]+)/.exec(location.hash);
  main.className = room && app.identity ? "main-room" : "main-page";
  if (!app.identity) dispose = signInView(app, main, room !== null);
  else if (room) dispose = roomView(app, main, decodeURIComponent(room[1]));
  else if (location.hash === "#/live") dispose = goLiveView(app, main);
  else dispose = lobbyView(app, main);
}

function renderTop() {
  const { identity } = app;
  const who = identity && h("span", { class: "who", dataset: { testid: "signed-in-name" } }, identity.name);
  const out =
    identity &&
    h("button", { type: "button", class: "quiet", dataset: { testid: "sign-out" }, onClick: () => signIn(null) }, texts.frame.signOut);
  top.replaceChildren(
    h("a", { href: "#/", class: "brand" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "Greenroom"),
    h("div", { class: "top-end" }, who, out),
  );
}

function start() {
  const given = takeTokenFromAddress();
  setIdentity(given ?? savedIdentity());
  show();
}

addEventListener("hashchange", () => (/token=/.test(location.hash) ? start() : show()));
start();
