/* The lanes move as rows do: what the stream says is drawn, and a slip slides from where it was to where it is.
   Depth and lag are plotted from the same readings. Nothing moves for who wants less motion, or while a part is in use. */

import { isInUse, subscribe } from "./live.js";

const SHOWN = 120; // seconds
const SLIDE = { duration: 420, easing: "cubic-bezier(0.2, 0, 0.2, 1)" };
const PLOT_EVERY = 500; // milliseconds
const FALLBACK = 2000; // milliseconds between two looks while there is no stream
const section = document.getElementById("events");
const lanes = section.querySelector("[data-lanes]");
const state = section.querySelector("[data-live-state]");
const still = matchMedia("(prefers-reduced-motion: reduce)");
let waiting = "";
let drawn = "";

/* --- lanes --- */

const slips = () => [...lanes.querySelectorAll("[data-key]")];

/* Where each slip is: its lane, and its place in the window. */
function places() {
  const place = (slip) => ({ lane: slip.closest(".lane").ariaLabel, box: slip.getBoundingClientRect() });
  return new Map(slips().map((slip) => [slip.dataset.key, place(slip)]));
}

function draw(html) {
  waiting = isInUse(lanes) ? html : "";
  if (waiting || html === drawn) return;
  const before = drawn ? places() : null; // the first word only says what the page had
  const scrolled = lanes.querySelector(".passes .scroll")?.scrollTop || 0;
  drawn = html;
  lanes.innerHTML = html;
  const passes = lanes.querySelector(".passes .scroll");
  if (passes) passes.scrollTop = scrolled;
  if (before && !still.matches) slide(before);
}

/* Only what changed its lane, or is new: what others make room for has not changed. */
function slide(before) {
  const now = places();
  for (const slip of slips()) {
    const { key, after } = slip.dataset;
    const [was, is] = [before.get(key), now.get(key)];
    if (was && was.lane === is.lane) continue;
    const from = was || before.get(after) || now.get(after);
    if (from) move(slip, from.box, is.box);
    else slip.animate([{ opacity: 0 }, { opacity: 1 }], SLIDE);
  }
}

function move(slip, from, to) {
  const start = `translate(${from.left - to.left}px, ${from.top - to.top}px)`;
  slip.animate([{ transform: start }, { transform: "none" }], SLIDE);
}

lanes.addEventListener("focusout", () => setTimeout(() => waiting && draw(waiting)));

/* --- plots --- */

const readings = { at: [], pending: [], lag: [] };
const gauges = [];
let due = 0;

function colour(figure) {
  return getComputedStyle(figure).color;
}

function gauge(figure) {
  const place = figure.querySelector("div");
  const axis = {
    stroke: () => getComputedStyle(figure.querySelector("figcaption")).color,
    font: "12px JetBrains Mono, monospace",
    grid: { stroke: () => getComputedStyle(figure).borderTopColor, width: 1 },
    ticks: { show: false },
  };
  const plot = new uPlot(
    {
      ...size(place),
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [-SHOWN, 0] }, y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: [
        { ...axis, values: (_plot, all) => all.map((at) => `${at} s`), space: 70 },
        { ...axis, size: 44 },
      ],
      series: [
        {},
        {
          stroke: () => colour(figure),
          fill: () => colour(figure).replace("rgb(", "rgba(").replace(")", ", 0.14)"),
          width: 1.75,
          paths: uPlot.paths.stepped({ align: 1 }),
          points: { show: false },
        },
      ],
    },
    [[], []],
    place,
  );
  new ResizeObserver(() => plot.setSize(size(place))).observe(place);
  return { plot, name: figure.dataset.gauge };
}

const size = (place) => ({ width: Math.max(place.clientWidth, 160), height: 150 });

function note(reading) {
  readings.at.push(reading.at);
  readings.pending.push(reading.pending);
  readings.lag.push(reading.lag || 0);
  while (readings.at[0] < reading.at - SHOWN - 5) for (const all of Object.values(readings)) all.shift();
  if (!due) due = setTimeout(plotAll, PLOT_EVERY);
}

function plotAll() {
  due = 0;
  const now = readings.at.at(-1);
  const at = readings.at.map((one) => one - now);
  for (const { plot, name } of gauges) {
    plot.setData([at, readings[name]]);
  }
}

function loadPlots() {
  const script = document.createElement("script");
  script.src = section.dataset.uplot;
  script.onload = () => {
    gauges.push(...[...section.querySelectorAll("[data-gauge]")].map(gauge));
    if (readings.at.length) plotAll();
  };
  document.head.append(script);
}

const repaint = () => gauges.forEach(({ plot }) => plot.redraw());
new MutationObserver(repaint).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

/* --- the stream, and what is done without one --- */

let asking = 0;

function say(what) {
  state.hidden = false;
  state.dataset.state = what;
  state.textContent = state.dataset[what];
}

async function ask() {
  if (document.hidden) return;
  const answer = await fetch(section.dataset.tables, { headers: { Accept: "text/html" } }).catch(() => null);
  if (answer && answer.ok) draw(await answer.text());
}

subscribe("connection", (open) => {
  clearInterval(asking);
  if (!open) asking = setInterval(ask, FALLBACK);
  say(open ? "live" : "lost");
});

subscribe("outbox", (reading) => {
  say(reading.away ? "away" : "live");
  if (reading.away) return;
  if (reading.html) draw(reading.html);
  const lag = lanes.querySelector("[data-lag]");
  if (lag && reading.lag) lag.firstChild.textContent = reading.lag.toFixed(1);
  note(reading);
});

loadPlots();
