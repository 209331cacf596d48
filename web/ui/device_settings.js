import { DevicePanel } from "./device_panel.js";
import { h } from "./dom.js";
import { texts } from "./texts.js";

/**
 * The choice of devices for somebody who is on stage already: what is chosen counts at once.
 *
 * @param {import("./local_media.js").LocalMedia} media
 * @param {string} name of the user
 * @param {import("./local_media.js").Device[]} wanted
 * @returns {{close: () => void}}
 */
export function openDeviceSettings(media, name, wanted) {
  const panel = new DevicePanel(media, name, { toggles: false });
  const dialog = h("dialog", { class: "device-dialog", "aria-labelledby": "device-title", dataset: { testid: "device-dialog" } },
    h("h2", { id: "device-title" }, texts.devices.title),
    h("div", { class: "devices" }, panel.preview, panel.fields),
    h("div", { class: "dialog-buttons" },
      h("button", { type: "button", class: "primary", dataset: { testid: "device-done" }, onClick: () => dialog.close() }, texts.devices.done)));
  dialog.addEventListener("close", () => {
    panel.dispose();
    dialog.remove();
  });
  document.body.append(dialog);
  panel.show(wanted);
  dialog.showModal();
  return dialog;
}
