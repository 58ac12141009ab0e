/* The cost waterfall, what binds, and the time to survive. */
figure("waterfall", () => {
  const point = now(), steps = point[state.mode].length ? point[state.mode] : point.parts;
  if (!steps.length) { describe("waterfall", "There is no plan.", ""); return null; }
  const sum = steps[steps.length - 1];
  const isWhole = steps === point.parts;
  fill("waterfall-shown", isWhole ? ": all costs" : ": the plan's cost by part, less that of the same instance without shocks");
  fill("cost-note", point.beyond_note);
  describe("waterfall", `${sum.part}: ${money(sum.amount, 4)}${steps.length > 1 ? ", of which " : ""}${steps.slice(0, -1).map(step => `${step.part} ${money(step.amount, 4)}`).join(", ")}.`,
    isWhole
      ? table(`Present value, ${book.currency}`, ["Part", ">Amount", ">Share"], steps.map(step => [step.part, si(step.amount, "", 4), sum.amount ? percent(step.amount / sum.amount, 1) : "–"]))
      : table(`Present value, ${book.currency}`, ["Part", ">Plan", ">No-shock plan", ">Difference"], steps.map((step, i) => compared(point, step, i === steps.length - 1))));
  const wrap = words => broken(words, 12), sorts = [["adds", "#E69F00", ""], ["comes back", "#009E73", "/"], ["sum", "#0072B2", ""]];
  const sortOf = (step, i) => i === steps.length - 1 ? "sum" : step.amount < 0 ? "comes back" : "adds";
  const bars = (name, color, shape) => {
    const some = steps.filter((step, i) => sortOf(step, i) === name);
    return {
      type: "bar", orientation: "h", name, y: some.map(step => wrap(step.part)), x: some.map(step => step.amount), base: some.map(step => step.start),
      marker: {color, pattern: {shape, fillmode: "overlay", fgcolor: shade("ground"), size: 6}},
      hovertemplate: some.map(step => `${step.part}: ${money(step.amount, 4)}<extra></extra>`), showlegend: false,
    };
  };
  return {
    data: sorts.map(sort => bars(...sort)),
    layout: {
      annotations: steps.map(step => ({x: Math.max(step.start, step.start + step.amount), y: wrap(step.part), text: money(step.amount, 4), showarrow: false, xanchor: "left", xshift: 3, font: {size: 12, color: shade("ink")}})),
      height: 90 + (paper === null ? 44 : 34) * steps.length, barmode: "overlay", bargap: .3, xaxis: {title: `present value, ${book.currency}`, range: reach(steps), ...moneyAxis(...reach(steps), isNarrow() ? 4 : 8)}, yaxis: {autorange: "reversed", type: "category", categoryorder: "array", categoryarray: steps.map(step => wrap(step.part))}, margin: {l: 10, r: beside(steps), t: 6, b: 10},
    },
  };
});
/* A part of the cost in both plans, and how they differ; the last is the total. */
function compared(point, step, isSum) {
  const own = isSum ? point.total_cost : (point.parts.find(each => each.part === step.part) || {amount: 0}).amount;
  return [isSum ? `total cost: ${step.part}` : step.part, si(own, "", 4), si(own - step.amount, "", 4), si(step.amount, "", 4)];
}
/* Room for the amounts that stand beside the bars, px: they may begin where the longest bar ends. */
function beside(steps) {
  return 12 + 8 * Math.max(...steps.map(step => money(step.amount, 4).length));
}
function reach(steps) {
  const ends = steps.flatMap(step => [step.start, step.start + step.amount]);
  const low = Math.min(0, ...ends), high = Math.max(0, ...ends), room = (high - low || 1) * .02;
  return [low < 0 ? low - room : 0, high + room];
}

function drawBinding() {
  const frame = now().tables.limits;
  fill("binding", frame.rows.length ? [make("details", {class: "behind"}, make("summary", {}, "What binds, and what one step of it is worth"), make("div", {class: "scroll", role: "group", tabindex: "0", "aria-label": "What binds"},
    framed(frame)))] : []);
  for (const [name, title] of [["actual", "The baseline beside actual output"], ["commitments", "Money that is committed already"]]) {
    const own = now().tables[name];
    fill(name, own.rows.length ? [make("details", {class: "behind"}, make("summary", {}, title), make("div", {class: "scroll", role: "group", tabindex: "0", "aria-label": title}, framed(own)))] : []);
  }
}

/* How far the figures can be off: the band of the samples, its middle, and the plan at hand. */
function drawBands() {
  const point = now(), bands = point.bands;
  if (!bands) { fill("bands"); return; }
  const rows = [["Total cost", bands.cost, point.total_cost], ["Outlay", bands.outlay, point.outlay], ["Survival gap", bands.gap, point.survival_gap]];
  const held = bands.plan_survived === null ? "" : `; this plan, held as it is, in ${percent(bands.plan_survived)}`;
  const said = `The best plan of each of ${plural(bands.used, "sample")} of ${plural(bands.numbers, "uncertain number")}; ${percent(bands.survived)} of them survive everything${book.frontier.but_samples}${held}.`;
  fill("bands", make("h3", {}, "How far these figures can be off"), make("p", {class: "hint"}, said),
    make("div", {class: "legend"}, make("span", {}, "▬ 5 % to 95 %"), make("span", {}, "│ half of the samples are below"), make("span", {}, "● this plan")),
    rows.map(([name, spread, value]) => make("div", {class: "row"}, make("strong", {}, name), bandOf(spread, value), make("div", {class: "far"}, `${si(spread.p5)} – ${money(spread.p95)}`))),
    make("details", {class: "behind"}, make("summary", {}, "The numbers as a table", make("span", {class: "quiet"}, ": bands")), make("div", {class: "scroll", role: "group", tabindex: "0", "aria-label": "Bands"},
      framed(point.tables.bands), framed(point.tables.bought_in_samples))));
}
function bandOf(spread, value) {
  const low = Math.min(spread.p5, value, 0), high = Math.max(spread.p95, value, low + 1), x = number => `${2 + 96 * (number - low) / (high - low)}%`;
  const svg = shape("svg", {"aria-hidden": "true", focusable: "false"});
  svg.append(shape("line", {x1: "1%", x2: "99%", y1: 13, y2: 13, stroke: shade("grid"), "stroke-width": 2}));
  svg.append(shape("line", {x1: x(spread.p5), x2: x(spread.p95), y1: 13, y2: 13, stroke: "#56B4E9", "stroke-width": 8}));
  svg.append(shape("line", {x1: x(spread.p50), x2: x(spread.p50), y1: 5, y2: 21, stroke: shade("ink"), "stroke-width": 2}));
  svg.append(shape("circle", {cx: x(value), cy: 13, r: 6, fill: "#0072B2", stroke: shade("ground"), "stroke-width": 1}));
  return svg;
}

/* Months before and after, on a scale that ends at ten years. */
const LONG = 120, SHOWN = 12;
const months = value => value === null ? "∞" : value > 0 && value < 100 ? fixed(value, 1) : si(value);
const placed = value => 100 * Math.sqrt(Math.min(value === null ? LONG : value, LONG) / LONG);

function drawYears() {
  fill("lasting-year", make("option", {value: "worst", selected: state.year === "worst"}, "the worst year of each"), years.map((year, i) => make("option", {value: i, selected: state.year === i}, String(year))));
}
function drawLasting() {
  const after = new Map(now().after.map(line => [line.key, line])), span = value => value === null ? Infinity : value;
  const rows = book.chokepoints.map(line => {
    const then = after.get(line.key), judged = (then || line).months;
    let i = state.year;
    if (i === "worst") i = judged.reduce((best, value, j) => span(value) < span(judged[best]) || (span(value) === span(judged[best]) && span(line.months[j]) < span(line.months[best])) ? j : best, 0);
    return {line, i, before: line.months[i], after: then ? then.months[i] : null, planned: Boolean(then), segment: (then && then.segments[i]) || line.segments[i]};
  });
  rows.sort((a, b) => span(a.planned ? a.after : a.before) - span(b.planned ? b.after : b.before) || span(a.before) - span(b.before));
  const shown = state.all ? rows : rows.slice(0, SHOWN);
  const button = $("lasting-all");
  button.hidden = rows.length <= SHOWN;
  button.setAttribute("aria-expanded", String(state.all));
  fill("lasting-all", state.all ? `Only the ${SHOWN} most exposed` : `All ${rows.length} chokepoints`);
  if (!rows.length) { fill("lasting-rows", make("p", {}, "Nothing that could be cut breaks a floor.")); return; }
  const scale = make("div", {style: "position:relative;height:16px"}, [0, 3, 12, 24, 60].map(m => make("span", {style: `position:absolute;left:${placed(m)}%`}, `${m}`)), make("span", {style: "position:absolute;right:0"}, isNarrow() ? "120+" : "120 months +"));
  fill("lasting-rows",
    make("div", {class: "legend"}, make("span", {}, "○ nothing bought"), make("span", {}, "● with the plan"), make("span", {}, "┊ a year"), make("span", {}, "! deliberate: leverage, where the file has any, restrains it"), make("span", {}, "∞ for ever")),
    make("div", {class: "row head", "aria-hidden": "true"}, make("span", {}, "Chokepoint"), scale, make("span", {class: "far"}, "Before → after, months")),
    shown.map(row => make("div", {class: "row"},
      make("div", {}, make("strong", {}, row.line.name + (row.line.deliberate ? " !" : "")), make("small", {}, `${row.line.kind === "nothing" ? "with what there is" : `${row.line.kind}, cut`} in ${years[row.i]}${row.segment ? ` · ${row.planned && row.after === null ? "nothing bought, " : ""}first to give out: ${named(row.segment)}` : ""}`)),
      dumbbell(row),
      make("div", {class: "far"}, `${months(row.before)} → `, make("strong", {class: row.planned && span(row.after) < 12 ? "no" : ""}, row.planned ? months(row.after) : "–")))),
    make("details", {class: "behind"}, make("summary", {}, "Every year as a table", make("span", {class: "quiet"}, ": time to survive")), make("div", {class: "scroll", role: "group", tabindex: "0", "aria-labelledby": "lasting-h"},
      table("Months for which every floor holds: nothing bought → with the plan", ["Chokepoint", "Kind", ...years.map(year => `>${year}`)],
        rows.map(({line}) => [line.name, line.kind, ...years.map((_, i) => `${months(line.months[i])} → ${after.has(line.key) ? months(after.get(line.key).months[i]) : "–"}`)])))));
}
function dumbbell(row) {
  const svg = shape("svg", {"aria-hidden": "true", focusable: "false"});
  const x = value => `${.98 * placed(value) + 1}%`;
  svg.append(shape("line", {x1: "1%", x2: "99%", y1: 13, y2: 13, stroke: shade("grid"), "stroke-width": 2}));
  svg.append(shape("line", {x1: x(12), x2: x(12), y1: 2, y2: 24, stroke: shade("quiet"), "stroke-dasharray": "2 3"}));
  if (row.planned) svg.append(shape("line", {x1: x(row.before), x2: x(row.after), y1: 13, y2: 13, stroke: "#56B4E9", "stroke-width": 4}));
  svg.append(shape("circle", {cx: x(row.before), cy: 13, r: 6, fill: shade("ground"), stroke: shade("quiet"), "stroke-width": 2}));
  if (row.planned) svg.append(shape("circle", {cx: x(row.after), cy: 13, r: 6, fill: row.after !== null && row.after < 12 ? "#D55E00" : "#0072B2", stroke: shade("ground"), "stroke-width": 1}));
  return svg;
}
