/* The answer, the budgets, the plan on its line of time. */
const label = point => point.given ? "given" : point.budget === null ? "any" : si(point.budget, book.money);
const stops = book.points.length;

function drawAnswer() {
  const point = now();
  $("verdict").className = `verdict ${point.survives ? "good" : "bad"}`;
  fill("verdict", point.headline);
  fill("sentence", point.sentence.replaceAll(" %", "\u00a0%"));
  $("brief-note").hidden = state.point === book.frontier.own || !$("brief");
  fill("to-build", point.build.length
    ? point.build.map(([what, how], i) => make("li", {class: what.startsWith("and ") && i === point.build.length - 1 ? "rest" : null}, make("strong", {}, what), " ", make("span", {}, how)))
    : make("li", {class: "rest"}, "Nothing."));
  fill("build-note", point.build_note);
  fill("facts", point.facts.map(([what, text]) => [make("dt", {}, what), make("dd", {}, text)]).flat());
  const ending = point.shortest;
  const list = (sort, head, items) => items.length ? [make("p", {}, make("strong", {class: sort}, head)), make("ul", {}, items.map(each => make("li", {}, each)))] : [];
  fill("lives", [
    list("no", "✗ Not survived:", point.failed), list("ok", "✓ Survived:", point.kept),
    list("no", `✗ ${book.shortest_head}`, ending),
    point.status === "none" ? null : make("p", {}, make("strong", {}, "Still dependent: "), `${point.dependent} with more than ${percent(book.line)} from one region${book.home ? " abroad" : ""} in ${book.horizon.end}.`),
  ].flat());
}

/* Which plan a figure shows, with the currency label and its year. */
function drawCaptions() {
  const said = now().status === "none" ? "" : `Plan with ${si(now().outlay, "", 4)} of outlay (${book.currency}).`;
  for (const place of document.querySelectorAll(".of-plan")) place.textContent = said;
}

function drawSlider() {
  const point = now(), slider = $("slider");
  const words = `${point.given ? point.given : point.budget === null ? "any budget" : label(point)}${state.point === book.frontier.own ? ", the plan at hand" : ""}`;
  fill("slider-text", words);
  slider.value = state.point;
  slider.setAttribute("aria-valuetext", `${words}: ${point.headline}`);
  fill("slider-says", point.status === "none" ? point.headline : `${point.headline}; outlay ${money(point.outlay, 4)}${point.price_of_survival === null ? "" : `, ${point.price_of_survival > 0 ? money(point.price_of_survival, 4) : "nothing"} beyond the no-shock plan`}`);
  $("slider-says").className = point.survives ? "ok" : "no";
  $("own").hidden = state.point === book.frontier.own || stops < 2;
  for (const id of ["slider-box", "frontier-figure", "follow"]) $(id).hidden = stops < 2;
  fill("ticks", book.points.map(each => make("span", {}, isNarrow() ? label(each).replace(` ${book.money}`, "") : label(each))));
  const frontier = book.frontier, notes = [];
  if (frontier.least_outlay !== null) {
    const exact = frontier.least_outlay_bound !== null ? ` (proven: no less than ${money(oneWay(frontier.least_outlay_bound, 5, Math.floor), 5)})` : "";
    notes.push(`The least outlay that keeps every floor${frontier.but_samples} is ${money(oneWay(frontier.least_outlay, 5, Math.ceil), 5)}${exact}.`);
  }
  if (stops > 1 && frontier.proven && !frontier.stopped) notes.push(`Plans of other budgets are proven: their costs are the least within ${frontier.proven}.`);
  if (stops > 1 && frontier.baseline.words) notes.push(frontier.baseline.words);
  if (stops > 1 && frontier.summed) notes.push(frontier.summed);
  notes.push(...frontier.losses);
  if (frontier.trimmed) notes.push("To keep this page small, supply chains in shocks (and where need be paths through them) are those of the plan at hand.");
  if (frontier.attacks) notes.push(frontier.attacks);
  if (frontier.stopped) notes.push("The search for other budgets was stopped: those found so far are shown, and some may be far from the best plan.");
  if (frontier.quick) notes.push("Plans of other budgets were left out (--quick): this page shows one plan.");
  else if (stops < 2 && !frontier.stopped) notes.push("No other budget was requested.");
  fill("frontier-note", notes.join(" "));
}

figure("frontier", () => {
  const shown = book.points.filter(point => point.status !== "none");
  const baseline = book.frontier.baseline, costOf = point => baseline.words ? point.price_of_survival : point.total_cost;
  const gapName = `survival gap, ${book.strikes.length + book.hidden > 1 ? "sum over all shocks, " : ""}at shortage cost`;
  const costName = baseline.words ? "cost beyond the no-shock plan" : "total cost";
  const rows = book.points.map(point => [label(point), money(point.outlay), money(point.total_cost, 4), money(point.price_of_survival), plural(point.shocks_failed, "shock"), money(point.worst_gap), money(point.survival_gap)]);
  describe("frontier", stops < 2 ? "One plan only: no frontier to be drawn." : `Shocks that are not survived, by budget: ${book.points.map(point => `${label(point)}: ${point.shocks_failed || "none"}`).join("; ")}.`,
    table(`Money in ${book.currency}; outlay and budget undiscounted, cost present value, survival gap at shortage cost. ${baseline.words}`, ["Budget", ">Outlay", ">Total cost", ">Beyond the no-shock plan", "Fails in", ">Gap of the worst shock", ">Gaps of all shocks"], rows));
  if (stops < 2) return null;
  const best = shown.filter(point => !point.given), x = best.map(point => point.outlay), here = now();
  const line = (name, y, axis, color, symbol) => ({type: "scatter", mode: "lines+markers", cliponaxis: false, name, x, y, yaxis: axis, customdata: best.map(label), text: x.map((outlay, i) => `${money(outlay)}<br>${money(y[i], 4)}`), line: {color, width: 2}, marker: {color, size: 9, symbol}, hovertemplate: `budget %{customdata}, outlay %{text}<extra>${name}</extra>`});
  const most = figure => Math.max(...shown.map(point => figure(point) || 0), 1e-9), right = most(point => point.outlay) * 1.06;
  const gapOf = point => point.survival_gap, low = Math.min(0, ...shown.map(point => costOf(point) || 0));
  const kept = best.filter(point => point.survives);
  const mark = (y, axis) => ({type: "scatter", mode: "markers", cliponaxis: false, x: [here.outlay], y: [y], yaxis: axis, showlegend: false, hoverinfo: "skip", marker: {size: 20, symbol: "circle-open", color: shade("ink"), line: {width: 3, color: shade("ink")}}});
  return {
    data: [
      line(gapName, best.map(point => point.survival_gap), "y", "#D55E00", "square"),
      ...(kept.length ? [{type: "scatter", mode: "markers", cliponaxis: false, name: book.frontier.but_samples ? "survives" : "every floor holds", x: kept.map(point => point.outlay), y: kept.map(gapOf), yaxis: "y", hoverinfo: "skip", marker: {color: "#009E73", size: 11, symbol: "diamond"}}] : []),
      line(`${costName}, present value`, best.map(costOf), "y2", "#0072B2", "circle"),
      mark(here.survival_gap, "y"), mark(costOf(here), "y2"),
    ],
    layout: {
      height: paper === null ? 380 : 270, margin: {l: 10, r: 16, t: 14, b: 10}, legend: {orientation: "h", y: 1.02, yanchor: "bottom", x: 0},
      xaxis: {title: `outlay, ${book.currency}`, anchor: "y2", range: [0, right], ...moneyAxis(0, right, isNarrow() ? 4 : 8)},
      yaxis: {title: {text: `survival gap, ${book.money}`, standoff: 6}, domain: [.58, 1], range: [0, 1.1 * most(gapOf)], ...moneyAxis(0, most(gapOf), 3)},
      yaxis2: {title: {text: `cost, ${book.money}`, standoff: 6}, domain: [0, .42], range: [1.15 * low, 1.15 * most(costOf)], ...moneyAxis(low, most(costOf), 3)},
    },
    ready: box => box.on("plotly_click", event => {
      const index = book.points.findIndex(point => point.outlay === event.points[0].x && label(point) === event.points[0].customdata);
      if (index >= 0) go(index);
    }),
  };
});

/* The plan on its line of time: one row a move, its bar drawn as high as the share that works. */
function bars(move) {
  const count = periods.length, colour = leverColour(move.kind);
  const svg = shape("svg", {viewBox: `0 0 ${count} 26`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false"});
  for (let i = 0; i <= years.length; i++) svg.append(shape("line", {x1: i * perYear, x2: i * perYear, y1: 0, y2: 26, stroke: shade("grid"), "vector-effect": "non-scaling-stroke"}));
  if (move.purchases.length) {
    const most = Math.max(...move.purchases), stock = now().stocks[move.option] || [], top = Math.max(...stock, 1e-12);
    const line = stock.flatMap((t, i) => [`${i},${25 - 21 * t / top}`, `${i + 1},${25 - 21 * t / top}`]).join(" ");
    svg.append(shape("polygon", {points: `0,25 ${line} ${count},25`, fill: faded(colour, .45), stroke: colour, "vector-effect": "non-scaling-stroke"}));
    move.purchases.forEach((t, i) => { if (t > 0) svg.append(shape("rect", {x: i + .2, width: .6, y: 26 - 5 - 7 * t / most, height: 5 + 7 * t / most, fill: colour, stroke: shade("ink"), "stroke-width": .6, "vector-effect": "non-scaling-stroke"})); });
    return svg;
  }
  if (move.first > move.t) svg.append(shape("rect", {x: move.t, width: move.first - move.t, y: 9, height: 8, fill: "url(#hatch)", stroke: shade("hatch"), "vector-effect": "non-scaling-stroke"}));
  else svg.append(shape("rect", {x: move.t, width: .15, y: 2, height: 22, fill: colour}));
  move.steps.forEach(([t, share], i) => {
    const end = i + 1 < move.steps.length ? move.steps[i + 1][0] : count;
    svg.append(shape("rect", {x: t, width: end - t, y: 24 - 22 * share, height: 22 * share + .01, fill: colour, stroke: colour, "vector-effect": "non-scaling-stroke"}));
  });
  return svg;
}
const when = move => move.purchases.length ? `bought ${move.decided}${move.on_line === move.decided ? "" : ` to ${move.on_line}`}` : `decided ${move.decided}, on line ${move.on_line}`;
const spent = move => {
  const whole = money(move.paid), part = money(move.counted);
  return part === whole ? whole : `${whole}, ${move.counted > 0 ? part : "none"} of it outlay`;
};
const marks = move => `${move.without_shocks ? " *" : ""}${move.forced ? " †" : ""}`;

function axis() {
  const step = isNarrow() ? Math.ceil(years.length / 5) : Math.ceil(years.length / 12);
  const row = make("div", {style: "position:relative;height:16px"});
  years.forEach((year, i) => { if (i % step === 0) row.append(make("span", {style: `position:absolute;left:${100 * i / years.length}%`}, String(year))); });
  return make("div", {class: "row head", "aria-hidden": "true"}, make("span", {}, "Project or stockpile"), row, make("span", {class: "far"}, "Size · money"));
}

function drawTimeline() {
  const moves = [...now().moves].sort((a, b) => a.t - b.t || b.paid - a.paid);
  const kinds = [...new Set(moves.map(move => move.kind))];
  fill("levers", kinds.map(kind => make("span", {}, make("i", {style: `background:${leverColour(kind)}`}), kind)));
  if (!moves.length) { fill("timeline", make("p", {}, "Nothing is bought.")); return; }
  const rows = moves.map(move => make("div", {class: "row"},
    make("div", {}, make("strong", {}, move.name + marks(move)), make("small", {}, `${move.kind}${move.over ? ` over ${regionName(move.over)}` : move.region ? `, ${regionName(move.region)}` : ""} · ${when(move)}`)),
    bars(move),
    make("div", {class: "far"}, move.size_words, make("small", {}, spent(move)))));
  const notes = now().build_note ? [now().build_note] : [];
  if (moves.some(move => move.without_shocks)) notes.push("* some of it would be bought without any shock as well, perhaps less or later.");
  if (moves.some(move => move.forced)) notes.push("† has to be bought (policy.force).");
  fill("timeline", axis(), rows, notes.length ? make("p", {class: "hint"}, notes.join(" ")) : null,
    make("details", {class: "behind"}, make("summary", {}, "The numbers as a table", make("span", {class: "quiet"}, ": what is bought")), make("div", {class: "scroll", role: "group", tabindex: "0", "aria-labelledby": "plan-h"},
      framed(now().tables.builds))));
}
