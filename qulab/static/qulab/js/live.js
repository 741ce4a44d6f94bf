/* One event stream for the whole tab, and parts of a page that renew themselves.

   subscribe(topic, callback): what is published on the topic, as it happens. All topics of a page share one stream,
   which rests in a hidden tab and comes back by itself. Besides the server's topics there is "connection": true or
   false, as the stream opens or is lost; and "redis": {away}. Returns what ends the subscription. */

const LOCAL = new Set(["connection", "redis"]);
const FIRST_PAUSE = 1000; // ms; doubled after each refusal
const LONGEST_PAUSE = 30000;
const callbacks = new Map();
let source = null;
let opened = "";
let pause = FIRST_PAUSE;
let timer = 0;

export function subscribe(topic, callback) {
  if (!callbacks.has(topic)) callbacks.set(topic, new Set());
  callbacks.get(topic).add(callback);
  open(0); // once every script of the page has said what it wants
  return () => {
    callbacks.get(topic).delete(callback);
    open(0);
  };
}

function open(wait) {
  clearTimeout(timer);
  timer = setTimeout(connect, wait);
}

function connect() {
  const topics = [...callbacks].filter(([topic, all]) => all.size && !LOCAL.has(topic)).map(([topic]) => topic);
  if (document.hidden || !topics.length) return close();
  const address = `/live?topics=${topics.sort().join(",")}`;
  if (source && opened === address && source.readyState !== EventSource.CLOSED) return;
  close();
  opened = address;
  source = new EventSource(address);
  source.onopen = () => {
    pause = FIRST_PAUSE;
    tell("connection", true);
  };
  source.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    tell(message.topic, message.data);
  };
  source.onerror = ({ target }) => {
    if (target !== source) return;
    tell("connection", false);
    if (target.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
    open(pause); // refused: the browser gave up
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  };
}

function close() {
  if (source) source.close();
  source = null;
}

function tell(topic, data) {
  for (const callback of callbacks.get(topic) || []) callback(data);
}

addEventListener("pagehide", close);
addEventListener("pageshow", (event) => event.persisted && location.reload());
document.addEventListener("visibilitychange", () => open(0));

/* [data-refresh=URL] takes the HTML found there, and rests in a hidden tab. A part that holds the focus or an open
   <details> is left alone: nobody is to lose their place. */

const parts = [...document.querySelectorAll("[data-refresh]")];

export const isInUse = (part) => part.contains(document.activeElement) || part.querySelector("details[open]");

async function renew(part) {
  if (document.hidden || isInUse(part)) return;
  const answer = await fetch(part.dataset.refresh, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok) return;
  const html = await answer.text();
  if (html !== part.dataset.last) {
    part.dataset.last = html;
    part.innerHTML = html;
  }
}

for (const part of parts) {
  setInterval(() => renew(part), Number(part.dataset.every || 2000));
}
document.addEventListener("visibilitychange", () => parts.forEach(renew));

/* A form that takes a while says so at once. The page goes on to the result as it would without this file. */
for (const form of document.querySelectorAll("form[data-busy]")) {
  form.addEventListener("submit", ({ submitter }) => {
    const button = submitter || form.querySelector("button:not([type=button])");
    button.setAttribute("aria-busy", "true");
    button.textContent = form.dataset.busy;
  });
}

/* [data-widget=URL]: the module of a part of the page, loaded when that part comes near the window. */
const near = new IntersectionObserver(
  (seen) => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      import(target.dataset.widget);
    }
  },
  { rootMargin: "400px" },
);
document.querySelectorAll("[data-widget]").forEach((part) => near.observe(part));
