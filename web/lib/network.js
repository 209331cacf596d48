/**
 * What a browser tells about the network of its device, and about somebody who comes back to the page. Elsewhere nothing is told.
 *
 * @param {{lost: () => void, back: () => void, looked: () => void}} on
 * @returns {() => void} ends it
 */
export function watchNetwork({ lost, back, looked }) {
  const { document } = globalThis;
  const visible = () => {
    if (!document.hidden) looked();
  };
  globalThis.addEventListener?.("offline", lost);
  globalThis.addEventListener?.("online", back);
  document?.addEventListener("visibilitychange", visible);
  return () => {
    globalThis.removeEventListener?.("offline", lost);
    globalThis.removeEventListener?.("online", back);
    document?.removeEventListener("visibilitychange", visible);
  };
}
