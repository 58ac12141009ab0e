/* Light or dark: as the system, or as chosen by the button; paper is light. */
const THEMES = ["system", "light", "dark"];
const system = window.matchMedia("(prefers-color-scheme: dark)");
let theme = "system";
try { theme = THEMES.includes(localStorage.getItem("diversify-theme")) ? localStorage.getItem("diversify-theme") : "system"; } catch { /* no storage for a file opened from disk: as the system */ }
/* Functions that draw in the colours of the theme, called again when it changes. */
const painted = [];
function paint(chosen = theme) {
  const dark = chosen === "dark" || (chosen === "system" && system.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.getElementById("theme").textContent = `Theme: ${theme === "system" ? "as the system" : theme}`;
}
function repaint(chosen) { paint(chosen); for (const draw of painted) draw(); }
document.getElementById("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  try { localStorage.setItem("diversify-theme", theme); } catch { /* kept for this visit only */ }
  repaint();
});
document.getElementById("print").addEventListener("click", () => window.print());
system.addEventListener("change", () => repaint());
paint();
