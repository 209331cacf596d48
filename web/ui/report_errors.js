// Tells the server about errors that nothing on the page handled, so that whoever runs it hears of them. A script of its
// own, before all others: it works where they fail to load.

/** Reports of one page. A broken page would otherwise report without end. */
const MAX_REPORTS = 10;
const MAX_MESSAGE = 500;
const MAX_STACK = 4000;

/** @type {Set<string>} */
const reported = new Set();

/**
 * @param {string} text
 * @param {number} length
 */
function cut(text, length) {
  // Addresses without query and fragment, which may hold a token; and no half of a character at the end.
  return text
    .replace(/[?#][^\s:()'"]*(?=[\s:()'"]|$)/g, "")
    .slice(0, length)
    .replace(/[\ud800-\udbff]$/, "");
}

/**
 * @param {"error" | "rejection"} kind
 * @param {unknown} thrown
 * @param {string} message
 * @param {string} source
 */
function report(kind, thrown, message, source) {
  const what = {
    kind,
    message: cut(message, MAX_MESSAGE),
    source: cut(source, MAX_MESSAGE),
    stack: cut(thrown instanceof Error && thrown.stack ? thrown.stack : "", MAX_STACK),
  };
  const body = JSON.stringify(what);
  if (reported.size >= MAX_REPORTS || reported.has(body)) return;
  reported.add(body);
  // `keepalive`: the error may be the last thing that this page does. A report that fails is nothing to report.
  fetch("/client-errors", { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: true }).catch(
    () => {},
  );
}

// A script, or one of those that it imports, did not arrive. Such an event does not bubble.
addEventListener("error", ({ target }) => {
  if (target instanceof HTMLScriptElement) document.getElementById("not-loaded")?.removeAttribute("hidden");
}, true);

addEventListener("error", (event) => {
  // So browsers tell that an observer's own change is seen in the next frame: nothing has failed.
  if (event.message.startsWith("ResizeObserver loop")) return;
  // Scripts that the browser brought along are not ours.
  if (!event.filename || new URL(event.filename, location.href).origin !== location.origin) return;
  const { pathname } = new URL(event.filename, location.href);
  report("error", event.error, event.message, `${pathname}:${event.lineno}:${event.colno}`);
});

addEventListener("unhandledrejection", ({ reason }) => {
  report("rejection", reason, reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason), "");
});
