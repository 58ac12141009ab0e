"use strict";
/* These pages are drawn already: only the theme, and the future that is shown, change. */
const future = document.getElementById("future");
if (future) future.addEventListener("change", () => {
  for (const part of document.querySelectorAll("[data-future]")) part.hidden = part.dataset.future !== future.value;
});
window.addEventListener("beforeprint", () => repaint("light"));
window.addEventListener("afterprint", () => repaint());
document.documentElement.dataset.ready = "1";
