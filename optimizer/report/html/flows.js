/* The supply chain, the stocks, and the dependence on regions. */
const atlas = book.atlas;
const placeColour = place => ({segment: shade("quiet"), scrap: "#009E73", stock: "#56B4E9", substitute: "#CC79A7", unserved: "#D55E00"}[place.sort] || regionStyle(place.region)[0]);
const pathTitle = key => key === "baseline" ? "the baseline" : strikeTitle(strikeOf(key));

function drawChainControls() {
  const known = Object.keys(now().chains);
  if (!known.includes(state.path)) state.path = "baseline";
  fill("chain-path", known.map(key => make("option", {value: key, selected: key === state.path}, pathTitle(key))));
  const both = now().chains[state.path] || [];
  state.when = Math.min(state.when, Math.max(0, both.length - 1));
  const words = state.path === "baseline" ? ["at the start", "at the end"] : ["as it starts", "at its end"];
  fill("chain-when", both.map((each, i) => make("option", {value: i, selected: i === state.when}, `${both.length > 1 ? words[i] : "all of it"}: ${each.first === each.last ? each.first : `${each.first} to ${each.last}`}`)));
}

figure("sankey", () => {
  const both = now().chains[state.path], each = both && both[state.when];
  if (!each || !each.passages.length) { fill("chain-note", "There is no plan, or nothing flows."); describe("sankey", "", ""); return null; }
  const used = [...new Set(each.passages.flatMap(passage => [passage[0], passage[1]]))];
  const number = new Map(used.map((place, i) => [place, i]));
  const places = used.map(i => atlas.places[i]), unit = state.unit, last = Math.max(1, atlas.columns.length - 1);
  const total = each.passages.reduce((sum, passage) => sum + passage[unit], 0);
  const regions = Object.entries(each.by_region).map(([region, tonnes]) => `${regionName(region)} ${percent(tonnes / each.demanded)}`).slice(0, 5).join(", ");
  fill("chain-note", `Of ${si(each.demanded, "t")} a year of demand ${percent(each.served / each.demanded)} is served${regions ? `; makers at the last stage: ${regions} of demand` : ""}. All makers of a commodity deliver to one pool, and every taker draws on it in proportion.${each.left_out.length ? ` Not drawn, for they stay within a stage: ${each.left_out.map(c => named(atlas.commodities[c])).join(", ")}.` : ""}${state.path === "baseline" ? "" : atlas.idle_note}`);
  const span = each.first === each.last ? each.first : `${each.first} to ${each.last}`, heads = headed(places);
  fill("sankey-shown", ` in ${pathTitle(state.path)}, ${span}; bands as wide as ${unit === 3 ? "tonnes a year" : "the share of the demand for each commodity"}`);
  describe("sankey", `In ${pathTitle(state.path)}, ${span}: ${plural(each.passages.length, "band")} between ${plural(used.length, "place")}; from left to right ${heads.map(([, text]) => text).join(" → ")}.`,
    table("Flows, t a year", ["From", "To", "Commodity", ">t a year", ">Share of demand"],
      each.passages.map(([source, target, c, tonnes, share]) => [atlas.places[source].title, atlas.places[target].title, named(atlas.commodities[c]), si(tonnes), percent(share, 1)])));
  const value = passage => Math.max(passage[unit], 1e-4 * total / each.passages.length);
  return {
    data: [{
      type: "sankey", arrangement: "snap", valueformat: ",.3~s", valuesuffix: unit === 3 ? " t/yr" : "",
      textfont: {size: paper === null ? 11 : 9, color: shade("ink")},
      node: {
        label: places.map(place => place.sort === "segment" ? broken(place.title) : place.title), color: places.map(placeColour), pad: 9, thickness: 14,
        x: places.map(place => Math.min(.999, Math.max(.001, place.column / last))), y: spread(each.passages, used, places, value),
        line: {color: shade("ground"), width: .5}, hovertemplate: "%{label}<extra></extra>",
      },
      link: {
        source: each.passages.map(passage => number.get(passage[0])), target: each.passages.map(passage => number.get(passage[1])),
        value: each.passages.map(value),
        color: each.passages.map(passage => { const place = atlas.places[passage[0]]; return faded(placeColour(place).startsWith("#") && placeColour(place).length === 7 ? placeColour(place) : "#8A8A8A", isDark() ? .55 : .4); }),
        customdata: each.passages.map(passage => `${named(atlas.commodities[passage[2]])}<br>${si(passage[3], "t a year")}, ${percent(passage[4], 1)} of the demand for it`),
        hovertemplate: "%{source.label} → %{target.label}<br>%{customdata}<extra></extra>",
      },
    }],
    layout: {
      height: Math.max(Math.min(paper === null ? 480 : 400, 140 + 60 * each.passages.length), (paper === null ? 40 : 34) * Math.max(...columnsOf(places))), showlegend: false, margin: {l: 4, r: 4, t: 30, b: 8},
      annotations: heads.map(([column, text]) => ({x: column / last, y: 1, yshift: 8, yanchor: "bottom", xanchor: column === 0 ? "left" : column === last ? "right" : "center", text: `<b>${text}</b>`, showarrow: false, font: {size: paper === null ? 12 : 10, color: shade("quiet")}})),
    },
  };
});
/* The columns in which something stands, with the stages that do. */
function headed(places) {
  return atlas.columns.map((all, i) => {
    const here = places.filter(place => place.column === i), stages = [...new Set(here.map(place => place.stage).filter(Boolean))];
    return here.length ? [i, stages.join(", ") || all] : null;
  }).filter(each => each && each[1]);
}
const columnsOf = places => { const counts = {}; for (const place of places) counts[place.column] = (counts[place.column] || 0) + 1; return Object.values(counts); };

/* Heights of places in their column, largest regions first and those of one region near each other. */
function spread(passages, used, places, value) {
  const size = used.map(place => Math.max(passages.filter(p => p[0] === place).reduce((a, p) => a + value(p), 0), passages.filter(p => p[1] === place).reduce((a, p) => a + value(p), 0)));
  const y = new Array(used.length), order = Object.keys(book.regions);
  for (const column of new Set(places.map(place => place.column))) {
    const members = places.map((place, i) => i).filter(i => places[i].column === column);
    members.sort((a, b) => rank(places[a], order) - rank(places[b], order) || size[b] - size[a]);
    const sum = members.reduce((a, i) => a + size[i], 0), gap = .25 / members.length;
    let at = gap / 2;
    for (const i of members) { const high = .75 * size[i] / sum; y[i] = Math.min(.99, Math.max(.01, at + high / 2)); at += high + gap; }
  }
  return y;
}
const rank = (place, order) => place.sort === "unserved" ? 99 : place.sort === "activity" ? order.indexOf(place.region) : 60;

/* Names of dashes in Plotly. */
const DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"};

figure("stocks", () => {
  const held = Object.entries(now().stocks);
  if (!held.length) { describe("stocks", "No stock is held.", ""); return null; }
  // A stock at the end of a period is drawn across it, from its start to its end.
  const across = periods.flatMap((_, i) => [book.horizon.start + i / perYear, book.horizon.start + (i + 1) / perYear]);
  const ends = years.map((_, i) => (i + 1) * perYear - 1), apart = Math.ceil(years.length / (isNarrow() ? 7 : 20)), labelled = years.filter((_, i) => i % apart === 0);
  describe("stocks", `${held.map(([o, row]) => `${named(o)}: at most ${si(Math.max(...row), "t")}`).join("; ")}.`,
    table("Stock at the end of the year, t", ["Stockpile", ...years.map(year => `>${year}`)], held.map(([o, row]) => [named(o), ...ends.map(i => si(row[i]))])));
  const rows = heatRows(), lanes = rows.length;
  // Each name of a shock has a line of its own, whatever room the legend takes: one row of it for each stock where the page is narrow.
  const area = (paper === null ? 250 : 180) + 16 * lanes, low = 16 * lanes / area;
  const height = area + 100 + 20 * Math.ceil(held.length / (isNarrow() ? 1 : 3));
  const stretches = rows.flatMap((row, i) => {
    const strike = strikeOf(row.lane.name), all = row.lane.windows || [[strike.start, Object.values(strike.demand)[0].length]];
    const failed = row.windows_failed || (row.failed ? all : []);
    const stretch = fails => ([first, long]) => ({row, i, fails, from: book.horizon.start + first / perYear, long: long / perYear, words: `${periods[first]} to ${periods[first + long - 1]}`});
    return [...all.map(stretch(false)), ...failed.map(stretch(true))];
  });
  return {
    data: [
      ...held.map(([o, row]) => ({type: "scatter", mode: "lines", name: named(o), x: across, y: row.flatMap(t => [t, t]), line: {shape: "linear", width: 2.5, color: now().stock_looks[o].color, dash: DASHES[now().stock_looks[o].linestyle]}, hovertemplate: `%{customdata}: %{y:,.3~g} t<extra>${named(o)}</extra>`, customdata: periods.flatMap(label => [label, label])})),
      ...[false, true].map(fails => stretches.filter(w => w.fails === fails)).filter(some => some.length).map(some => ({type: "bar", orientation: "h", yaxis: "y2", name: "window of a shock", showlegend: false, base: some.map(w => w.from), x: some.map(w => w.long), y: some.map(w => w.i), width: .7,
        marker: some[0].fails ? {color: "#D55E00", pattern: {shape: "x", fillmode: "overlay", fgcolor: shade("ground"), size: 6}} : {color: shade("hatch")},
        hovertemplate: "%{customdata}<extra></extra>", customdata: some.map(w => `${laneTitle(w.row.lane)}${w.row.lane.shocks > 1 ? `, ${shockCount(w.row)}` : ""}, ${w.words}: ${w.fails ? "not survived" : w.row.excused ? "survived, or may fail" : "survived"}`)})),
    ],
    layout: {
      height, barmode: "overlay", legend: {orientation: "h", y: -40 / area, x: 0}, bargap: .2,
      xaxis: {
        range: [book.horizon.start, book.horizon.end + 1], anchor: "y2", tickvals: labelled.map(year => year + .5), ticktext: labelled.map(String), showgrid: false,
        minor: {tickmode: "linear", tick0: book.horizon.start, dtick: 1, showgrid: true, gridcolor: shade("grid")},
      },
      yaxis: {title: "stock, t", separatethousands: true, domain: [low + .04, 1], rangemode: "tozero"},
      yaxis2: {domain: [0, low], range: [lanes - .4, -.6], tickvals: rows.map((_, i) => i), ticktext: rows.map(brief), showgrid: false, zeroline: false, tickfont: {size: paper === null ? 10 : 9, color: shade("ink")}},
    },
  };
});

/* What tells events of one shock apart, or how many of them fail, stays whole. */
function brief(row) {
  const most = isNarrow() && paper === null ? 14 : 34, title = row.lane.title.length > most + 1 ? `${row.lane.title.slice(0, most).trim()}…` : row.lane.title;
  return (row.failed ? "✗ " : "") + [title, row.lane.shocks > 1 ? shockCount(row) : row.lane.which].filter(Boolean).join(row.lane.shocks > 1 ? ": " : " ");
}
const abroad = share => Object.entries(share.regions).reduce((most, [region, part]) => ![book.home, "unnamed"].includes(region) && part > most ? part : most, 0);
const largest = share => Object.entries(share.regions).reduce((best, item) => item[1] > best[1] ? item : best, ["none", 0]);

function drawCommodities() {
  const known = Object.keys(now().shares);
  if (!known.includes(state.commodity)) {
    const wanted = new Set(Object.values(book.segments));
    const over = c => now().shares[c][0].tonnes;
    state.commodity = known.filter(c => wanted.has(c)).sort((a, b) => over(b) - over(a))[0] || known[0] || null;
  }
  fill("commodity", known.map(c => {
    const end = now().shares[c][years.length - 1];
    return make("option", {value: c, selected: c === state.commodity}, `${abroad(end) > book.line ? "! " : ""}${named(c)}`);
  }));
}

figure("shares", () => {
  const all = now().shares, shares = all[state.commodity];
  if (!shares) { fill("dependence-note", "There is no plan."); describe("shares", "", ""); return null; }
  const first = shares[0], end = shares[shares.length - 1];
  fill("dependence-note", `! more than ${percent(book.line)} from one region${book.home ? " abroad" : ""} in ${book.horizon.end}: ${now().dependent}. Production in the baseline; HHI is the sum of squared shares, 0 to 1.`);
  fill("shares-shown", `: ${named(state.commodity)}`);
  const says = share => share.tonnes > 0 ? `${regionName(largest(share)[0])} ${percent(largest(share)[1])}, HHI ${fixed(share.hhi, 2)}` : "none made";
  describe("shares", `${named(state.commodity)}: ${first.year} ${says(first)}; ${end.year} ${says(end)}.`, [
    table(`${named(state.commodity)}, share of production by region`, ["Year", ">Production, t", ">HHI", "Regions"], shares.map(share => [String(share.year), si(share.tonnes), fixed(share.hhi, 2), Object.entries(share.regions).map(([region, part]) => `${regionName(region)} ${percent(part)}`).join(", ")])),
    table("All commodities: the largest region", ["Commodity", `${first.year}`, ">HHI", `${end.year}`, ">HHI"], Object.entries(all).map(([c, rows]) => { const [a, b] = [rows[0], rows[rows.length - 1]]; return [named(c), `${abroad(a) > book.line ? "! " : ""}${regionName(largest(a)[0])} ${percent(largest(a)[1])}`, fixed(a.hhi, 2), `${abroad(b) > book.line ? "! " : ""}${regionName(largest(b)[0])} ${percent(largest(b)[1])}`, fixed(b.hhi, 2)]; })),
  ]);
  const regions = [...new Set(shares.flatMap(share => Object.keys(share.regions)))];
  const weight = region => shares.reduce((sum, share) => sum + (share.regions[region] || 0), 0);
  regions.sort((a, b) => weight(b) - weight(a));
  return {
    data: [
      ...regions.map(region => ({type: "bar", name: regionName(region), x: years, y: shares.map(share => share.regions[region] || 0), marker: {color: regionStyle(region)[0], pattern: {shape: regionStyle(region)[1], fillmode: "overlay", fgcolor: shade("ground"), size: 6}, line: {color: shade("ground"), width: 1}}, hovertemplate: `%{x}: %{y:.1%}<extra>${regionName(region)}</extra>`})),
      {type: "scatter", mode: "lines+markers", name: "HHI", x: years, y: shares.map(share => share.tonnes > 0 ? share.hhi : null), yaxis: "y2", line: {color: shade("ink"), width: 2}, marker: {size: 6}, hovertemplate: "%{x}: %{y:.2f}<extra>HHI</extra>"},
    ],
    layout: {
      barmode: "stack", height: paper === null ? 430 : 300, bargap: .2, xaxis: {anchor: "y2", dtick: isNarrow() ? 2 : 1, tickformat: "d"},
      yaxis: {title: "share of production", tickvals: [0, .2, .4, .6, .8, 1], ticktext: [0, 20, 40, 60, 80, 100].map(each => `${each} %`), range: [0, 1], domain: [.36, 1]},
      yaxis2: {title: "HHI", domain: [0, .27], range: [0, 1.05]}, legend: {orientation: "h", y: -0.12, x: 0},
      shapes: [{type: "line", xref: "paper", x0: 0, x1: 1, y0: book.line, y1: book.line, line: {color: shade("ink"), width: 2, dash: "dash"}}],
      annotations: [{xref: "paper", x: 1, y: book.line, text: `${percent(book.line)} line`, showarrow: false, xanchor: "right", yanchor: "bottom", bgcolor: shade("ground"), font: {size: 11, color: shade("ink")}, borderpad: 2}],
    },
  };
});
