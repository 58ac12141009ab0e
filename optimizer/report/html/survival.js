/* Shock by segment, and the path behind each cell. */
const passingOf = name => now().passings.find(each => each.name === name);
const SLIGHT = 1e-6;
function margin(service) { return service.worst_service - service.floor; }
const isFull = service => service.worst_service >= 1 - SLIGHT;
function classOf(service) {
  if (!service) return "none";
  if (service.first_failure !== null) return "fail";
  if (isFull(service)) return "full";
  if (service.floor <= SLIGHT) return "none";
  return margin(service) < 0.0005 ? "tight" : margin(service) < 0.2 ? "some" : "ample";
}
const CLASSES = [["fail", "✗ below the floor"], ["tight", "just at the floor"], ["some", "less than 20 points above"], ["ample", "20 points or more above"], ["full", "all demand served"], ["none", "no floor, or not in the plan file"]];

function cellText(service) {
  if (!service) return "–";
  return `${service.first_failure === null ? "" : "✗ "}${service.said}`;
}
function cellWords(title, segment, service, isPartial) {
  if (!service) return `${named(segment)} in ${title}: not in the plan file; it does not fail, and another segment is weaker`;
  const verdict = service.first_failure === null ? "holds" : `fails first in ${service.first_failure}`;
  const served = isFull(service) ? "all demand served" : `${percent(service.worst_service)} served in ${service.worst_period}`;
  return `${named(segment)} in ${title}: ${served}, floor ${percent(service.floor)}, ${verdict}${isPartial ? "; not in the plan file for some of the shocks, which may be weaker and do not fail there" : ""}`;
}

/* The rows of the table: a family or an ensemble in one, or each shock whose path is here. */
function heatRows() {
  if (!state.unfolded) {
    return now().rows.map(row => ({lane: book.rows.find(each => each.name === row.name), ...row}));
  }
  return book.strikes.filter(strike => passingOf(strike.name)).map(strike => {
    const passing = passingOf(strike.name), segments = {};
    for (const [d, service] of Object.entries(passing.segments)) segments[d] = {...service, shock: strike.name};
    const all = Object.values(passing.segments), full = all.length && all.every(isFull) ? strike.full : {};
    const mark = !passing.survives ? (passing.excused ? "–" : "✗") : Object.values(strike.floor).flat().some(share => share > 0) ? "✓" : "–";
    const which = [strike.which, passing.excused ? "(may fail)" : ""].filter(Boolean).join(" ");
    return {lane: {name: strike.name, title: strike.title, which, shocks: 1}, failed: passing.survives || passing.excused ? 0 : 1, excused: passing.excused ? 1 : 0, mark, worst: strike.name, segments, partial: [], full};
  });
}
const titleOf = shock => { const strike = strikeOf(shock), row = now().rows.find(each => each.worst === shock); return strike ? strikeTitle(strike) : row ? row.worst_title : shock; };
const shockCount = row => row.lane.shocks === 1 ? null : row.count;

function drawHeat() {
  const segments = Object.keys(book.segments);
  const keep = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.cell : null;
  if (!state.picked) {
    if (now().tightest) [state.shock, state.segment] = now().tightest;
    else if (book.strikes.length && !state.shock) [state.shock, state.segment] = [book.strikes[0].name, segments[0]];
  }
  fill("heat-legend", CLASSES.map(([kind, words]) => make("span", {}, make("i", {class: kind}), words)));
  const isFolded = book.rows.some(lane => lane.shocks > 1);
  $("heat-fold").hidden = !isFolded;
  fill("heat-fold", state.unfolded ? "Show families and ensembles in one row each" : "Show each shock");
  $("heat-fold").setAttribute("aria-pressed", String(state.unfolded));
  if (!now().rows.length) { fill("heat", make("caption", {}, "There are no shocks, or there is no plan.")); fill("heat-more", ""); return; }
  const rows = heatRows(), strike = strikeOf(state.shock), own = strike && (state.unfolded ? strike.name : strike.row);
  const isOn = (row, d) => d === state.segment && (own ? row.lane.name === own : Boolean(row.segments[d]) && row.segments[d].shock === state.shock);
  fill("heat",
    make("caption", {class: "quiet"}, "Each segment's weakest period in each shock: per cent served / floor"),
    make("thead", {}, make("tr", {}, make("th", {scope: "col"}, "Shock"), segments.map(d => make("th", {scope: "col"}, named(d))))),
    make("tbody", {}, rows.map(row => {
      const many = shockCount(row), shown = many ? `${many}, ${row.worst_word} ${row.worst_title.startsWith(row.lane.title) ? row.worst_title.slice(row.lane.title.length).replace(/^[ ·@]+/, "") : row.worst_title}` : row.lane.which;
      return make("tr", {},
        make("th", {scope: "row"}, make("span", {class: row.failed ? "no" : "ok"}, `${row.mark} `), row.lane.title, shown ? make("small", {class: many ? "whole" : null}, ` ${shown}`) : null),
        segments.map(d => {
          const service = row.segments[d], shock = service ? service.shock : row.worst, chosen = isOn(row, d);
          const isWhole = !service && row.full[d] !== undefined, isPartial = service && service.first_failure === null && row.partial.includes(d);
          const said = isWhole ? `${named(d)} in ${many ? `${row.lane.title}, ${many}` : titleOf(shock)}: all demand served` : cellWords(titleOf(shock), d, service, isPartial);
          return make("td", {}, make("button", {
            type: "button", class: isWhole ? "full" : classOf(service), "aria-pressed": String(chosen), tabindex: chosen ? "0" : "-1",
            "data-cell": `${shock}\u0000${d}`, "aria-label": said, title: said,
            onclick: () => { state.picked = true; choose(shock, d); },
          }, isWhole ? row.full[d] : cellText(service) + (isPartial ? "*" : "")));
        }));
    })));
  if (!$("heat").querySelector("button[tabindex='0']")) $("heat").querySelector("button").tabIndex = 0;
  if (keep) { const again = [...$("heat").querySelectorAll("button")].find(each => each.dataset.cell === keep); if (again) again.focus({preventScroll: true}); }
  const left = state.unfolded ? book.hidden : book.unlisted, notes = [];
  if (!state.unfolded && isFolded) notes.push("A family or an ensemble is one row: for each segment the weakest of its shocks; by name the one with the largest gap (worst), or where all are survived the least margin (tightest).");
  if (!state.unfolded && rows.some(row => row.partial.length)) notes.push("* not in the plan file for some of the shocks, which may be weaker; it does not fail there.");
  if (left) notes.push(`${plural(left, "more shock")} ${left === 1 ? "is not shown: it is no worse" : "are not shown: none of them is worse"}${book.points.length > 1 ? " with the plan at hand" : ""}.`);
  fill("heat-more", notes.join(" "));
}

function choose(shock, segment) {
  [state.shock, state.segment] = [shock, segment];
  for (const button of $("heat").querySelectorAll("button")) {
    const chosen = button.dataset.cell === `${shock}\u0000${segment}`;
    button.setAttribute("aria-pressed", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
  }
  drawNow("path");
}

function onHeatKey(event) {
  const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
  if (!step || event.target.tagName !== "BUTTON") return;
  event.preventDefault();
  const cell = event.target.parentElement, row = cell.parentElement;
  const rows = [...row.parentElement.children], cells = [...row.children];
  const next = rows[rows.indexOf(row) + step[0]];
  const button = next && next.children[cells.indexOf(cell) + step[1]] && next.children[cells.indexOf(cell) + step[1]].querySelector("button");
  if (button) { event.target.tabIndex = -1; button.tabIndex = 0; button.focus(); }
}

figure("path", () => {
  const strike = strikeOf(state.shock), passing = strike && passingOf(strike.name), d = state.segment;
  if (!passing) {
    const row = (now().rows || []).find(each => each.segments[d] && each.segments[d].shock === state.shock);
    fill("path-h", row ? `${named(d)} in ${titleOf(state.shock)}` : ""); fill("path-note", "");
    describe("path", row ? `${cellWords(titleOf(state.shock), d, row.segments[d])}. Its path is not kept here.` : "", "");
    return null;
  }
  const demand = strike.demand[d], floor = strike.floor[d], short = passing.short[d], service = passing.segments[d];
  fill("path-h", `${named(d)} in ${strikeTitle(strike)}`);
  const cuts = [`${strike.first} to ${strike.last} (${strike.name}).`, strike.deliberate ? "Deliberate." : "", strike.cuts.length ? `Cut: ${strike.cuts.join("; ")}.` : "Nothing is cut.", strike.also.length ? `Also: ${strike.also.join("; ")}.` : ""];
  fill("path-note", cuts.filter(Boolean).join(" "));
  if (!short) { describe("path", service ? `${cellWords(strikeTitle(strike), d, service)}. Its path is not kept here.` : "Of this shock only its weakest segments are kept.", ""); return null; }
  const labels = periods.slice(strike.start, strike.start + demand.length);
  const by = passing.substituted[d] || demand.map(() => 0);
  const served = demand.map((t, i) => Math.max(0, t - short[i] - by[i]));
  const share = demand.map((t, i) => t > 0 ? 1 - short[i] / t : 1);
  const least = demand.map((t, i) => t * floor[i]);
  describe("path", `${cellWords(strikeTitle(strike), d, service)}. Of ${si(demand.reduce((a, b) => a + b, 0), "t")} of demand over the window, ${si(short.reduce((a, b) => a + b, 0), "t")} go unserved.`,
    table(`Tonnes in each ${book.horizon.step}`, ["Period", ">Demand, t", ">Served, t", ">By substitutes, t", ">Not served, t", ">Service", ">Floor", "Holds"],
      labels.map((label, i) => [label, si(demand[i]), si(served[i]), si(by[i]), si(short[i]), percent(share[i], 1), percent(floor[i], 1), short[i] - (1 - floor[i]) * demand[i] > 1e-6 * demand[i] ? "✗ no" : "✓ yes"])));
  const bar = (name, y, color, pattern) => ({type: "bar", name, x: labels, y, marker: {color, line: {color: shade("ground"), width: 1}, pattern: {shape: pattern, fillmode: "overlay", fgcolor: shade("ground"), size: 6}}, hovertemplate: `%{x}: %{y:,.4~g} t<extra>${name}</extra>`});
  const edges = labels.flatMap((label, i) => [i - 0.5, i + 0.5]);
  return {
    data: [
      bar("served", served, "#0072B2", ""),
      ...(by.some(t => t > 0) ? [bar("served by substitutes", by, "#CC79A7", "/")] : []),
      ...(short.some(t => t > 1e-9) ? [bar("unserved", short, "#D55E00", "/")] : []),
      {type: "scatter", mode: "lines", name: "survival floor", xaxis: "x2", x: edges, y: least.flatMap(t => [t, t]), line: {color: shade("ink"), width: 3}, hovertemplate: "%{y:,.4~g} t<extra>floor</extra>"},
    ],
    layout: {
      barmode: "stack", height: paper === null ? 320 : 230, bargap: 0.15, xaxis: {type: "category", anchor: "y"},
      xaxis2: {overlaying: "x", range: [-0.5, labels.length - 0.5], visible: false},
      yaxis: {title: `t a ${book.horizon.step}`, rangemode: "tozero", separatethousands: true}, margin: {l: 10, r: 10, t: 14, b: 10},
    },
  };
});
