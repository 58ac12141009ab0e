"use strict";
/* What all figures share: the data, numbers in words, tables, colours, and when a figure is drawn. */
const book = JSON.parse(document.getElementById("data").textContent);
const periods = book.horizon.periods, perYear = book.horizon.per_year;
const years = Array.from({length: book.horizon.end - book.horizon.start + 1}, (_, i) => book.horizon.start + i);
/* The services by segment, which the data hold as lists. */
const services = lists => Object.fromEntries(Object.entries(lists).map(([d, [worst_service, floor, worst_period, first_failure, said, shock]]) =>
  [d, {worst_service, floor, worst_period, first_failure, said, shock}]));
for (const point of book.points) {
  for (const row of [...point.passings || [], ...point.rows || []]) row.segments = services(row.segments);
  for (const passing of point.passings || []) {
    const strike = book.strikes.find(each => each.name === passing.name);
    for (const d of passing.kept ? Object.keys(book.segments) : []) passing.short[d] = passing.short[d] || strike.demand[d].map(() => 0);
  }
}
for (const point of book.points) if (point.same !== undefined) Object.assign(point, {...book.points[point.same], ...point});

const state = {
  point: book.frontier.own, shock: null, segment: null, picked: false, unfolded: false, path: "baseline", when: 0, unit: 4,
  commodity: null, year: "worst", all: false, mode: "beyond", find: "", assumed: false,
};
const $ = id => document.getElementById(id);
const now = () => book.points[state.point];  // the plan of the chosen budget
const named = key => book.names[key] || key;
const spaced = key => key.replaceAll("_", " ");
const regionName = region => book.region_names[region] || (region === "unnamed" ? "region not stated" : spaced(region));
const strikeOf = name => book.strikes.find(each => each.name === name);
const laneTitle = lane => lane.which ? `${lane.title} · ${lane.which}` : lane.title;
const strikeTitle = strike => strike.which ? `${strike.title} · ${strike.which}` : strike.title;

/* A number for reading, as the command prints it: 1.23B USD, 45.6k t. */
function si(value, unit = "", digits = 3) {
  if (value === null || value === undefined) return "–";
  for (const [bound, suffix] of [[1e9, "B"], [1e6, "M"], [1e4, "k"]]) {
    if (Math.abs(value) >= bound * (1 - 0.5 * 10 ** -digits)) {
      return `${significant(value / (suffix === "k" ? 1e3 : bound), digits)}${suffix} ${unit}`.trim();
    }
  }
  return `${significant(value, digits)} ${unit}`.trim();
}
function significant(value, digits) {
  if (value === 0) return "0";
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)) + 1e-12));
  const [whole, rest] = fixed(Math.abs(value), Math.min(places, 6)).split(".");
  const tail = rest ? rest.replace(/0+$/, "") : "";
  const body = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (tail ? `.${tail}` : "");
  return (value < 0 && body !== "0" ? "−" : "") + body;
}
/* Rounded one way, up for what suffices and down for what does not; a ten-thousandth of the last digit is none. */
function oneWay(value, digits, whole) {
  if (!(value > 0)) return value;
  const step = Math.floor(Math.log10(value)) - digits + 1, near = Math.round(value / 10 ** step);
  return Number(`${Math.abs(value / 10 ** step - near) < 1e-4 ? near : whole(value / 10 ** step)}e${step}`);
}
/* Rounded as the command does it: taken to 12 digits first, halves away from zero. */
function fixed(value, places) {
  const [digits, power = 0] = Math.abs(value).toPrecision(12).split("e");
  const steps = Math.round(Number(`${digits}e${Number(power) + places}`)), text = (steps / 10 ** places).toFixed(places);
  // What rounds to zero has no sign.
  return (value < 0 && steps > 0 ? "−" : "") + text;
}
function percent(share, digits = 0) {
  if (digits === 0 && share < 1 - 1e-6 && Math.round(100 * share) >= 100) return ">99 %";
  if (digits === 0 && share > 0 && share < 0.01) return "<1 %";
  return `${fixed(100 * share, digits)} %`;
}
/* Amounts for an axis of money, in the words of the rest of the page. */
function moneyAxis(low, high, count = 5) {
  const span = high - low || 1, rough = span / count, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(m => m * unit).find(m => m >= rough * .999), tickvals = [];
  for (let i = Math.ceil(low / step); i * step <= high * 1.0001; i++) tickvals.push(i * step);
  return {tickvals, ticktext: tickvals.map(value => si(value))};
}
const money = (value, digits) => si(value, book.money, digits);
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/* Elements; text is always text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}
function shape(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
const fill = (id, ...children) => $(id).replaceChildren(...children.flat().filter(child => child !== null && child !== undefined));

/* A table from a head and rows; columns that hold numbers stand to the right. A head such as ">Share" says so. */
function table(caption, head, rows) {
  const right = head.map(cell => cell.startsWith(">"));
  return make("table", {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, head.map((cell, i) => make("th", {scope: "col", class: right[i] ? "n" : null}, cell.replace(/^>/, ""))))),
    make("tbody", {}, rows.map(row => make("tr", {}, row.map((cell, i) =>
      i ? make("td", {class: right[i] ? "n" : null}, cell) : make("th", {scope: "row"}, cell))))));
}

/* A frame as a table: what Python wrote, and the currency's label. */
const framed = frame => table(`${frame.caption} Money in ${book.currency}.`.trim(), frame.head, frame.rows);

/* Colours of the theme, for what is drawn. */
const shade = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const leverColour = kind => book.levers[kind] || "#8A8A8A";
const regionStyle = region => book.regions[region] || ["#8A8A8A", ""];
function faded(colour, alpha) {
  const [r, g, b] = [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16));
  return `rgba(${r},${g},${b},${alpha})`;
}
const isDark = () => document.documentElement.dataset.theme === "dark";
/* Width of a printed page, pixels; null on the screen. */
let paper = null;
/* A text broken into lines of at least so many characters. */
const broken = (text, least = 20) => text.replace(new RegExp(`(.{${least},${2 * least}}?) `, "g"), "$1<br>");
const isNarrow = () => paper !== null || window.innerWidth < 760;

function layout(extra = {}) {
  const axis = {
    gridcolor: shade("grid"), linecolor: shade("line"), zerolinecolor: shade("line"), automargin: true,
    tickfont: {color: shade("ink"), size: 12}, title: {font: {color: shade("quiet"), size: 12}}, fixedrange: true,
  };
  const merged = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: {family: "system-ui, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif", size: 12, color: shade("ink")},
    margin: {l: 10, r: 10, t: 10, b: 10}, hoverlabel: {bgcolor: shade("card"), bordercolor: shade("quiet"), font: {color: shade("ink")}},
    dragmode: false, showlegend: true, autosize: paper === null, width: paper === null ? undefined : paper,
    legend: {orientation: "h", y: -0.18, yanchor: "top", x: 0, font: {color: shade("ink")}},
    ...extra,
  };
  for (const key of Object.keys(merged)) {
    if (/^[xy]axis\d?$/.test(key)) {
      const own = merged[key];
      merged[key] = {...axis, ...own, title: {...axis.title, ...(typeof own.title === "string" ? {text: own.title} : own.title)}};
    }
  }
  return merged;
}

/* The text of a figure is renewed at once; the figure is drawn when it comes near the screen, or when the browser is idle. */
const figures = new Map();
const due = new Set(), near = new Set();
function figure(id, draw) { figures.set(id, draw); due.add(id); }
function prepare(id) {
  const drawn = figures.get(id)(), box = $(id);
  box.hidden = drawn === null;
  // Its room is kept: what stands below does not jump when it comes.
  box.style.minHeight = drawn === null ? "" : `${drawn.layout.height}px`;
  return drawn;
}
function drawNow(id) {
  const drawn = prepare(id), box = $(id);
  if (!library && !window.Plotly) { due.add(id); return; }
  due.delete(id);
  document.documentElement.toggleAttribute("data-drawn", !due.size);
  if (drawn === null) {
    if (box.classList.contains("js-plotly-plot")) Plotly.purge(box);
    box.replaceChildren(); return;
  }
  loadPlotly();
  // Drawn again, bands would fade in and places wander: a printer does not wait for that.
  if (id === "sankey" && box.classList.contains("js-plotly-plot")) Plotly.purge(box);
  Plotly.react(box, drawn.data, layout(drawn.layout), {displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false});
  resizing.observe(box);
  if (drawn.ready && !box.dataset.ready) { box.dataset.ready = "1"; drawn.ready(box); }
}
/* A figure is as wide as its box, which can become narrower while the window keeps its size, as when a scroll bar appears. */
const resizing = new ResizeObserver(entries => {
  for (const {target} of entries) {
    const drawn = target._fullLayout;
    if (paper === null && drawn && target.clientWidth && Math.abs(drawn.width - target.clientWidth) > 1) Plotly.Plots.resize(target);
  }
});
/* The plotting library is most of this file: it is compressed, and is run when the first figure is drawn. */
let library = "";
async function unpackPlotly() {
  const packed = $("plotly"), bytes = Uint8Array.from(atob(packed.textContent), letter => letter.charCodeAt(0));
  library = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  packed.remove();
}
function loadPlotly() {
  if (library) document.body.append(make("script", {}, library));
  library = "";
}
function stale(...ids) {
  for (const id of ids) { due.add(id); if (near.has(id)) drawNow(id); else prepare(id); }
  document.documentElement.toggleAttribute("data-drawn", !due.size);
  drawRest();
}
let isWaiting = false, isWatched = false;
const idle = window.requestIdleCallback ? task => window.requestIdleCallback(task, {timeout: 1000}) : task => setTimeout(task, 50);
function drawRest() {
  if (!isWatched || isWaiting || !due.size) return;
  isWaiting = true;
  idle(() => { isWaiting = false; const [id] = due; if (id) drawNow(id); drawRest(); });
}
const watcher = new IntersectionObserver(entries => {
  for (const entry of entries) {
    const id = entry.target.dataset.of;
    if (entry.isIntersecting) { near.add(id); if (due.has(id)) drawNow(id); } else near.delete(id);
  }
}, {rootMargin: "300px"});
function watch() {
  for (const id of figures.keys()) {
    const frame = $(`${id}-figure`);
    frame.dataset.of = id;
    watcher.observe(frame);
  }
  isWatched = true;
  drawRest();
}
const drawAll = () => { for (const id of [...due]) drawNow(id); };
const describe = (id, alt, behind) => { fill(`${id}-alt`, alt); fill(`${id}-table`, behind); };
