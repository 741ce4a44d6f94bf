/* A run that is under way moves on its page: [data-run] follows the run's topic, and is renewed when the run ends.
   Where the stream is silent, the page is asked instead. Samples are drawn as they come; the result brings its plots. */

import { subscribe } from "./live.js";

const SILENT = 1500; // milliseconds without a word after which the page is asked
const LOOK_EVERY = 500;
const COLOURS = 6;
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 240, 64, 12, 32, 28];
const LETTER = 7.3; // pixels of one in a name
const SVG = "http://www.w3.org/2000/svg";
const followed = new WeakSet();

function follow(panel) {
  if (followed.has(panel)) return;
  followed.add(panel);
  const plot = livePlot(panel.querySelector("[data-live-plot]"));
  let heard = Date.now();
  const stop = subscribe(`run.${panel.dataset.run}`, (news) => {
    heard = Date.now();
    if (!panel.isConnected) leave(); // another panel stands in its place
    else if (news.status === "running") show(panel, plot, news);
    else if (news.status) end();
  });
  const watch = setInterval(() => {
    if (!panel.isConnected) leave();
    else if (!document.hidden && Date.now() - heard > SILENT) end();
  }, LOOK_EVERY);
  function leave() {
    clearInterval(watch);
    stop();
  }
  function end() {
    leave();
    const how = { target: panel, select: `#${panel.id}`, swap: "outerHTML show:none" };
    htmx
      .ajax("GET", panel.dataset.address, how)
      .catch(() => null) // the server is away: the panel stands still, and is followed again
      .then(() => {
        announce(panel.id);
        if (!panel.isConnected) return;
        followed.delete(panel);
        setTimeout(follow, SILENT, panel);
      });
  }
}

/* A screen reader hears of the end: the result itself is too long to be read out. */
function announce(id) {
  const panel = document.getElementById(id);
  const said = panel.parentElement.querySelector("[data-run-said]");
  if (said && !panel.dataset.run) said.textContent = said.dataset.words;
}

function show(panel, plot, news) {
  const [bar, steps, label] = ["progress", "steps", "label"].map((one) => panel.querySelector(`[data-run-${one}]`));
  const words = news.label || label.dataset.measuring;
  if (label.textContent !== words) label.textContent = words; // a screen reader says it once
  if (news.total) {
    bar.max = news.total;
    bar.value = news.done;
    steps.textContent = `${news.done} ${steps.dataset.of} ${news.total} ${news.unit}`;
  }
  if (news.samples.length) plot(news.samples, news.whole);
}

/* Dots on linear axes that grow with what comes: raw readings, in one colour a series. */
function livePlot(figure) {
  const svg = figure.querySelector("svg");
  let samples = [];
  let due = false;
  const names = [];

  function draw() {
    due = false;
    const [x0, x1] = range(samples.map((one) => one[1]));
    const y1 = Math.max(...samples.map((one) => one[2])) || 1;
    const x = (value) => LEFT + ((value - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT);
    const y = (value) => HEIGHT - BOTTOM - (value / y1) * (HEIGHT - TOP - BOTTOM);
    const parts = [0, y1 / 2, y1].map((at) => line(y(at)));
    parts.push(...[0, y1 / 2, y1].map((at) => text(LEFT - 8, y(at) + 4, "end", short(at))));
    parts.push(text(LEFT, HEIGHT - 8, "start", short(x0)), text(WIDTH - RIGHT, HEIGHT - 8, "end", short(x1)));
    parts.push(...samples.map(([name, at, value]) => dot(x(at), y(value), series(name))));
    let free = LEFT;
    for (const [i, name] of names.entries()) {
      parts.push(text(free, 12, `s${i % COLOURS}`, name));
      free += LETTER * name.length + 16;
    }
    svg.replaceChildren(...parts);
    figure.hidden = false;
  }

  function series(name) {
    if (!names.includes(name)) names.push(name);
    return names.indexOf(name) % COLOURS;
  }

  return (fresh, whole) => {
    samples = whole ? fresh : samples.concat(fresh);
    if (!due) requestAnimationFrame(draw);
    due = true;
  };
}

function range(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? [low - 1, high + 1] : [low, high];
}

const short = (value) => Number(value.toPrecision(3)).toLocaleString("en");
const line = (y) => element("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y });
const dot = (cx, cy, i) => element("circle", { class: `s${i}`, cx, cy, r: 3 });

function text(x, y, kind, words) {
  const one = element("text", { class: `axis ${kind}`, x, y });
  one.textContent = words;
  return one;
}

function element(name, attributes) {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  return one;
}

/* An answer without the part that was asked for, such as an error's page, takes nothing away. */
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const part = detail.target.id;
  if (/^(bench|panel|plots)-/.test(part) && !detail.serverResponse.includes(`id="${part}"`)) detail.shouldSwap = false;
});

const followAll = () => document.querySelectorAll("[data-run]").forEach(follow);
document.addEventListener("htmx:afterSettle", followAll);
followAll();
