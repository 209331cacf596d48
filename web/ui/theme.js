// Runs before anything is drawn, which a module does not: nobody sees the page in other colours first.
(() => {
  try {
    document.documentElement.dataset.theme = localStorage.getItem("greenroom.theme") ?? "system";
  } catch {
    // Storage is blocked: it stays as the system has it.
  }
})();
