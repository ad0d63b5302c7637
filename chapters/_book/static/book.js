/* Small things the theme leaves open, on every page. */
"use strict";

(() => {
  // The panel of contents lies over the text on a phone; it closes when an entry is chosen.
  document.addEventListener("click", (event) => {
    const panel = event.target.closest("dialog[open]");
    if (panel && event.target.closest('a[href^="#"]')) panel.close();
  });

  // The list of chapters shows where the reader is; the page itself does not move.
  const showCurrent = () => {
    const current = [...document.querySelectorAll(".bd-docs-nav a.current")].pop();
    let list = current && current.parentElement;
    while (list && (list.scrollHeight <= list.clientHeight
                    || getComputedStyle(list).overflowY === "visible")) {
      list = list.parentElement;
    }
    if (!list || list === document.body || list === document.documentElement) return;
    const [here, seen] = [current.getBoundingClientRect(), list.getBoundingClientRect()];
    if (here.top < seen.top || here.bottom > Math.min(seen.bottom, window.innerHeight)) {
      list.scrollTop += here.top - seen.top - list.clientHeight / 3;
    }
  };
  window.addEventListener("load", showCurrent);
  document.addEventListener("click", (event) => {        // captured: the theme stops it below
    if (event.target.closest(".primary-toggle")) requestAnimationFrame(showCurrent);
  }, true);

  // On paper: dark on white, solutions open.
  let before = null;
  window.addEventListener("beforeprint", () => {
    const root = document.documentElement;
    before = {theme: root.dataset.theme,
              closed: [...document.querySelectorAll("article details:not([open])")]};
    root.dataset.theme = "light";
    for (const fold of before.closed) fold.open = true;
  });
  window.addEventListener("afterprint", () => {
    if (!before) return;
    document.documentElement.dataset.theme = before.theme;
    for (const fold of before.closed) fold.open = false;
    before = null;
  });
})();
