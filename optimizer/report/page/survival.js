/* Shock by segment, and the path behind each cell. */
const passingOf = name => now().passings.find(each => each.name === name);
const points = share => fixed(100 * share, 0);

function margin(service) { return service.worst_service - service.floor; }
function sort(service) {
  if (!service) return "none";
  if (service.first_failure !== null) return "fail";
  if (service.floor === 0) return "none";
  return margin(service) < 0.0005 ? "tight" : margin(service) < 0.2 ? "some" : "ample";
}
const SORTS = [["fail", "✗ below the floor"], ["tight", "just at the floor"], ["some", "less than 20 points above"], ["ample", "20 points or more above"], ["none", "no floor, or not in the plan file"]];

function cellText(service) {
  if (!service) return "–";
  const served = points(service.first_failure === null ? service.worst_service : Math.min(service.worst_service, service.floor));
  return `${service.first_failure === null ? "" : "✗ "}${served}/${points(service.floor)}`;
}
function cellSaid(strike, segment, service) {
  if (!service) return `${named(segment)} in ${strikeTitle(strike)}: not in the plan file; it does not fail, and another segment has less margin`;
  const verdict = service.first_failure === null ? "holds" : `fails first in ${service.first_failure}`;
  return `${named(segment)} in ${strikeTitle(strike)}: ${percent(service.worst_service)} served in ${service.worst_period}, floor ${percent(service.floor)}, ${verdict}`;
}

/* The shock of the largest gap, as the answer says; where all are survived, that of the least margin, and of equal margins where least is served. */
function worstCell() {
  let worst = null;
  for (const passing of now().passings) {
    for (const [segment, service] of Object.entries(passing.segments)) {
      const nearer = worst ? margin(service) - worst.margin : 0, least = worst ? service.worst_service - worst.served + 1e-9 : 0;
      const order = worst ? worst.gap - passing.gap || (Math.abs(nearer) > 5e-7 ? nearer : least) : -1;
      if (service.floor > 0 && order < 0) worst = {shock: passing.name, segment, margin: margin(service), gap: passing.gap, served: service.worst_service};
    }
  }
  return worst;
}

function drawHeat() {
  const segments = Object.keys(book.segments);
  const keep = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.cell : null;
  if (!state.picked) {
    const worst = worstCell();
    if (worst) [state.shock, state.segment] = [worst.shock, worst.segment];
    else if (book.strikes.length && !state.shock) [state.shock, state.segment] = [book.strikes[0].name, segments[0]];
  }
  fill("heat-legend", SORTS.map(([kind, words]) => make("span", {}, make("i", {class: kind}), words)));
  if (!now().passings.length) { fill("heat", make("caption", {}, "There are no shocks, or there is no plan.")); return; }
  fill("heat",
    make("caption", {class: "quiet"}, "Least margin of each segment in each shock: per cent served / floor"),
    make("thead", {}, make("tr", {}, make("th", {scope: "col"}, "Shock"), segments.map(d => make("th", {scope: "col"}, named(d))))),
    make("tbody", {}, book.strikes.map(strike => {
      const passing = passingOf(strike.name);
      return make("tr", {},
        make("th", {scope: "row"}, make("span", {class: passing.survives ? "ok" : "no"}, passing.survives ? "✓ " : "✗ "), strike.title, strike.which ? make("small", {}, ` ${strike.which}`) : null),
        segments.map(d => {
          const service = passing.segments[d], chosen = strike.name === state.shock && d === state.segment;
          return make("td", {}, make("button", {
            type: "button", class: sort(service), "aria-pressed": String(chosen), tabindex: chosen ? "0" : "-1",
            "data-cell": `${strike.name}\u0000${d}`, "aria-label": cellSaid(strike, d, service), title: cellSaid(strike, d, service),
            onclick: () => { state.picked = true; choose(strike.name, d); },
          }, cellText(service)));
        }));
    })));
  if (keep) { const again = [...$("heat").querySelectorAll("button")].find(each => each.dataset.cell === keep); if (again) again.focus({preventScroll: true}); }
  fill("heat-more", book.hidden ? `${plural(book.hidden, "more shock")} ${book.hidden === 1 ? "is not shown: it is no worse" : "are not shown: none of them is worse"}${book.points.length > 1 ? " over all budgets" : ""}.` : "");
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
  if (!passing) { fill("path-h", ""); fill("path-note", ""); told("path", "", ""); return null; }
  const demand = strike.demand[d], floor = strike.floor[d], short = passing.short[d], service = passing.segments[d];
  fill("path-h", `${named(d)} in ${strikeTitle(strike)}`);
  const cuts = [`${strike.first} to ${strike.last} (${strike.name}).`, strike.deliberate ? "Deliberate." : "", strike.cuts.length ? `Cut: ${strike.cuts.join("; ")}.` : "Nothing is cut.", strike.also.length ? `Also: ${strike.also.join("; ")}.` : ""];
  fill("path-note", cuts.filter(Boolean).join(" "));
  if (!short) { told("path", service ? `${cellSaid(strike, d, service)}. Its path is not kept here.` : "Of this shock only its weakest segments are kept.", ""); return null; }
  const labels = periods.slice(strike.start, strike.start + demand.length);
  const by = passing.substituted[d] || demand.map(() => 0);
  const served = demand.map((t, i) => Math.max(0, t - short[i] - by[i]));
  const share = demand.map((t, i) => t > 0 ? 1 - short[i] / t : 1);
  const least = demand.map((t, i) => t * floor[i]);
  told("path", `${cellSaid(strike, d, service)}. Of ${si(demand.reduce((a, b) => a + b, 0), "t")} asked over the window, ${si(short.reduce((a, b) => a + b, 0), "t")} are not served.`,
    table(`Tonnes in each ${book.horizon.step}`, ["Period", ">Demand, t", ">Served, t", ">By substitutes, t", ">Not served, t", ">Service", ">Floor", "Holds"],
      labels.map((label, i) => [label, si(demand[i]), si(served[i]), si(by[i]), si(short[i]), percent(share[i], 1), percent(floor[i], 1), short[i] - (1 - floor[i]) * demand[i] > 1e-6 * demand[i] ? "✗ no" : "✓ yes"])));
  const bar = (name, y, color, pattern) => ({type: "bar", name, x: labels, y, marker: {color, line: {color: shade("ground"), width: 1}, pattern: {shape: pattern, fillmode: "overlay", fgcolor: shade("ground"), size: 6}}, hovertemplate: `%{x}: %{y:,.4~g} t<extra>${name}</extra>`});
  const edges = labels.flatMap((label, i) => [i - 0.5, i + 0.5]);
  return {
    data: [
      bar("served", served, "#0072B2", ""),
      ...(by.some(t => t > 0) ? [bar("served by substitutes", by, "#CC79A7", "/")] : []),
      ...(short.some(t => t > 1e-9) ? [bar("not served", short, shade("hatch"), "/")] : []),
      {type: "scatter", mode: "lines", name: "survival floor", xaxis: "x2", x: edges, y: least.flatMap(t => [t, t]), line: {color: "#D55E00", width: 3}, hovertemplate: "%{y:,.4~g} t<extra>floor</extra>"},
    ],
    layout: {
      barmode: "stack", height: paper === null ? 320 : 230, bargap: 0.15, xaxis: {type: "category", anchor: "y"},
      xaxis2: {overlaying: "x", range: [-0.5, labels.length - 0.5], visible: false},
      yaxis: {title: `t a ${book.horizon.step}`, rangemode: "tozero"}, margin: {l: 10, r: 10, t: 14, b: 10},
    },
  };
});
