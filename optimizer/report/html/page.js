/* Assumptions, and the handlers of all controls. */
const groups = new Map();
for (const source of book.sources) {
  if (!groups.has(source.section)) groups.set(source.section, []);
  groups.get(source.section).push(source);
}
function drawSources() {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = source => (!state.assumed || source.assumed) && words.every(word => `${source.section} ${source.owner} ${source.field} ${source.value} ${source.text}`.toLowerCase().includes(word));
  const is = words.length > 0 || state.assumed;
  let count = 0;
  const parts = [...groups].map(([section, all]) => {
    const some = all.filter(fits);
    count += some.length;
    if (!some.length) return null;
    const details = make("details", {class: "group", open: is && (words.length > 0) && some.length <= 60});
    const body = make("div", {});
    const show = () => { if (details.open && !body.childElementCount) body.append(said(section, some)); };
    details.append(make("summary", {}, `${spaced(section)} (${some.length})`), body);
    details.addEventListener("toggle", show);
    show();
    return details;
  }).filter(Boolean);
  if (book.head && !is) parts.unshift(make("details", {class: "group"}, make("summary", {}, "From the head of the instance file"), make("pre", {}, book.head)));
  fill("source-list", parts);
  fill("found", is ? `${plural(count, "statement")} found.` : "");
}
function said(section, some) {
  return make("table", {class: "said"},
    make("caption", {class: "quiet"}, section),
    make("thead", {}, make("tr", {}, ["About", "Value", "What is said"].map(head => make("th", {scope: "col"}, head)))),
    make("tbody", {}, some.map(source => make("tr", {},
      make("td", {}, source.owner || source.section, source.field ? make("small", {}, ` ${source.field}`) : ""),
      make("td", {}, source.value || "–", source.before ? make("small", {}, ` (the file says ${source.before})`) : ""),
      make("td", {}, source.text, source.origin === "comment" ? "" : make("small", {}, ` (${source.origin})`))))));
}
const assumptions = book.sources.filter(source => source.assumed).length;
fill("sources-note", book.sources.length
  ? `${plural(book.sources.length, "statement")} of the instance file about its numbers, ${assumptions} of them marked as assumptions; from its comments and its source and note fields.`
  : "The instance file says nothing about its numbers, or the plan file does not hold its comments.");

function go(index) {
  state.point = index;
  drawAnswer(); drawCaptions(); drawSlider(); drawTimeline(); drawHeat(); drawChainControls(); drawCommodities(); drawBinding(); drawBands(); drawLasting();
  stale(...figures.keys());
}

painted.push(() => { drawTimeline(); drawBands(); drawLasting(); stale(...figures.keys()); });

$("slider").addEventListener("input", event => go(Number(event.target.value)));
$("own").addEventListener("click", () => { go(book.frontier.own); $("slider").focus(); });
$("heat").addEventListener("keydown", onHeatKey);
$("heat-fold").addEventListener("click", () => { state.unfolded = !state.unfolded; drawHeat(); stale("stocks"); });
$("chain-path").addEventListener("change", event => { state.path = event.target.value; drawChainControls(); drawNow("sankey"); });
$("chain-when").addEventListener("change", event => { state.when = Number(event.target.value); drawNow("sankey"); });
$("chain-unit").addEventListener("change", event => { state.unit = Number(event.target.value); drawNow("sankey"); });
$("commodity").addEventListener("change", event => { state.commodity = event.target.value; drawNow("shares"); });
$("cost-mode").addEventListener("change", event => { state.mode = event.target.value; drawNow("waterfall"); });
$("lasting-year").addEventListener("change", event => { state.year = event.target.value === "worst" ? "worst" : Number(event.target.value); drawLasting(); });
$("lasting-all").addEventListener("click", () => { state.all = !state.all; drawLasting(); });
$("find").addEventListener("input", event => { state.find = event.target.value; drawSources(); });
$("assumed").addEventListener("change", event => { state.assumed = event.target.checked; drawSources(); });
window.addEventListener("beforeprint", () => { paper = 680; repaint("light"); drawAll(); });
window.addEventListener("afterprint", () => { paper = null; repaint(); });
let narrow = isNarrow();
window.addEventListener("resize", () => { if (narrow !== isNarrow()) { narrow = isNarrow(); drawSlider(); drawTimeline(); drawLasting(); stale(...figures.keys()); } });

document.body.append(shape("svg", {width: 0, height: 0, "aria-hidden": "true", style: "position:absolute"},
  shape("defs", {}, shape("pattern", {id: "hatch", width: .5, height: 4, patternUnits: "userSpaceOnUse"}, shape("rect", {width: .25, height: 4, fill: "#8b939e"})))));
if (!now().beyond.length) { state.mode = "parts"; $("cost-mode").hidden = true; }
/* Before the first shock nothing has to be there yet, so that the worst year would be one of those for every chokepoint. */
const firstShock = Math.floor(Math.min(...book.strikes.map(strike => strike.start)) / book.horizon.per_year);
state.year = firstShock > 0 && firstShock < years.length ? firstShock : "worst";
drawYears(); drawSources(); go(state.point);
// After the first painting; where nothing is painted, as in a tab behind others, soon.
const begin = (() => { let isBegun = false; return () => { if (!isBegun) { isBegun = true; watch(); } }; })();
unpackPlotly().finally(() => {
  document.documentElement.dataset.ready = "1";
  requestAnimationFrame(() => setTimeout(begin));
  setTimeout(begin, 500);
});
