import { texts } from "./texts.js";

/**
 * Gives the address of the session that is open to others.
 *
 * @param {import("./person_actions.js").Ui} ui
 */
export async function shareLink(ui) {
  const { href } = location;
  if (await sharedByPhone(document.title, href)) return;
  try {
    await navigator.clipboard.writeText(href);
    ui.tell(texts.room.copied);
  } catch {
    ui.tell(texts.room.shareThis(href));
  }
}

/**
 * Phones have a sheet for this, with all the applications in which one talks to people.
 *
 * @param {string} title
 * @param {string} url
 * @returns {Promise<boolean>} false where there is none
 */
async function sharedByPhone(title, url) {
  if (!navigator.share || !matchMedia("(pointer: coarse)").matches) return false;
  try {
    await navigator.share({ title, url });
    return true;
  } catch (error) {
    // Put away again: an answer too.
    return error instanceof DOMException && error.name === "AbortError";
  }
}
