/** Less height than this is left where a phone's keyboard is open. */
const CRAMPED_PX = 560;

/**
 * Tells the style how much of the page can be seen: keyboards lie over the page, in some browsers without making it smaller.
 */
export function watchViewport() {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const root = document.documentElement;
  const fit = () => {
    // Who enlarges the page with two fingers sees less of it, which is no reason to lay it out anew.
    const height = Math.round(viewport.height * viewport.scale);
    root.style.setProperty("--visible-height", `${height}px`);
    root.style.setProperty("--visible-top", viewport.scale === 1 ? `${Math.round(viewport.offsetTop)}px` : "0");
    root.classList.toggle("cramped", height < CRAMPED_PX);
  };
  viewport.addEventListener("resize", fit);
  viewport.addEventListener("scroll", fit);
  fit();
}
