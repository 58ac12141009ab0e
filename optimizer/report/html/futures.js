"use strict";
/* The page of several futures is drawn already: only its theme changes. */
window.addEventListener("beforeprint", () => repaint("light"));
window.addEventListener("afterprint", () => repaint());
document.documentElement.dataset.ready = "1";
