import { errorCode } from "../lib/index.js";
import { DevicePanel } from "./device_panel.js";
import { h } from "./dom.js";
import { LiveSettings } from "./live_settings.js";
import { devicesFor } from "./local_media.js";
import { sentence, texts } from "./texts.js";

/**
 * @typedef {import("../lib/types.js").SessionType} SessionType
 */

/**
 * The form for a new session, beside a preview of what will be sent.
 *
 * @param {import("./main.js").App} app
 * @param {HTMLElement} root
 * @returns {import("./main.js").Dispose}
 */
export function goLiveView(app, root) {
  const { media } = app;
  const panel = new DevicePanel(media, app.identity?.name ?? "");
  let kept = false;

  const choose = h("button", { type: "button", dataset: { testid: "choose-screen" }, onClick: chooseScreen }, texts.goLive.chooseScreen);
  const problem = h("p", { class: "problem", role: "alert", dataset: { testid: "go-live-error" } });
  const start = h("button", { type: "submit", class: "primary wide", dataset: { testid: "start-live" } }, texts.goLive.start);

  const title = h("input", {
    id: "title", required: true, maxlength: 200, autocomplete: "off", placeholder: texts.goLive.namePlaceholder,
    dataset: { testid: "go-live-title" },
  });
  const description = h("textarea", {
    id: "description", maxlength: 2000, rows: 3, placeholder: texts.goLive.descriptionPlaceholder, dataset: { testid: "go-live-description" },
  });
  const types = /** @type {SessionType[]} */ (Object.keys(texts.types)).map((type, index) =>
    h("label", { class: "segment" },
      h("input", { type: "radio", name: "session_type", value: type, checked: index === 0, onChange: typeChanged }),
      h("span", {}, texts.types[type])));
  const allowGuests = checkbox("allow-guests", texts.goLive.allowGuests, texts.goLive.allowGuestsHint, guestsChanged);
  const approval = checkbox("require-approval", texts.goLive.requireApproval, texts.goLive.requireApprovalHint);

  const more = new LiveSettings();

  const form = h("form", { class: "card", dataset: { testid: "go-live-form" }, onSubmit: submit },
    h("h1", {}, texts.goLive.title),
    h("div", { class: "field" }, h("label", { for: "title" }, texts.goLive.name), title),
    h("div", { class: "field" }, h("label", { for: "description" }, texts.goLive.description), description),
    h("fieldset", { class: "field" }, h("legend", {}, texts.goLive.type), h("div", { class: "segments" }, ...types)),
    allowGuests.row,
    approval.row,
    more.element,
    problem,
    start);

  panel.actions.prepend(choose);
  root.replaceChildren(h("div", { class: "go-live" }, panel.preview, form, panel.fields));
  media.declined.clear();
  typeChanged();
  title.focus();

  /** @returns {SessionType} */
  function sessionType() {
    return /** @type {SessionType} */ (new FormData(form).get("session_type"));
  }

  function typeChanged() {
    const type = sessionType();
    if (type !== "screen") media.stop("screen", "screen_audio");
    if (type !== "camera") media.stop("camera");
    choose.hidden = type !== "screen";
    panel.open(devicesFor(type));
  }

  async function chooseScreen() {
    try {
      await media.openScreen();
    } catch (error) {
      panel.tell(error);
    }
  }

  function guestsChanged() {
    approval.input.disabled = !allowGuests.input.checked;
    more.setGuestsAllowed(allowGuests.input.checked);
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    problem.textContent = "";
    start.disabled = true;
    try {
      const { session } = await app.api.start({
        title: title.value.trim(),
        description: description.value.trim(),
        session_type: sessionType(),
        allow_guests: allowGuests.input.checked,
        require_approval: approval.input.checked,
        ...more.values(),
      });
      for (const source of devicesFor(sessionType())) if (!media.get(source)) media.declined.add(source);
      enter(session.id);
    } catch (error) {
      start.disabled = false;
      failed(/** @type {any} */ (error));
    }
  }

  /** @param {string} sessionId */
  function enter(sessionId) {
    kept = true;
    location.hash = `#/s/${encodeURIComponent(sessionId)}`;
  }

  /** @param {import("../lib/index.js").GreenroomError} error */
  function failed(error) {
    if (error.status === 401) return app.signIn(null, errorCode(error));
    const running = errorCode(error) === "already_live" ? error.details?.session_id : null;
    problem.replaceChildren(sentence(error));
    if (running) problem.append(" ", h("a", { href: `#/s/${encodeURIComponent(running)}` }, texts.goLive.toYourSession));
  }

  return () => {
    panel.dispose();
    if (!kept) media.stop();
  };
}

/**
 * @param {string} id
 * @param {string} label
 * @param {string} hint
 * @param {() => void} [onChange]
 */
function checkbox(id, label, hint, onChange = () => {}) {
  const input = h("input", { type: "checkbox", id, checked: true, "aria-describedby": `${id}-hint`, onChange });
  const row = h("div", { class: "check" }, input,
    h("div", {}, h("label", { for: id }, label), h("p", { class: "muted", id: `${id}-hint` }, hint)));
  return { input, row };
}
