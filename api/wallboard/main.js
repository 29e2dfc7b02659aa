// The wallboard: fed by /v1/stream. Numbers come from the service; only waits and ages grow here, by the clock.
import * as agents from "/wallboard/agents.js";
import * as alerts from "/wallboard/alerts.js";
import { choice, fill, listen } from "/wallboard/choices.js";
import { refresh } from "/wallboard/spark.js";
import * as tiles from "/wallboard/tiles.js";
import { say, speak } from "/wallboard/words.js";

const STALE_SECONDS = 30;
const SILENT_MS = 6000; // heartbeats come every two seconds
const RENEW_MS = 600000; // sessions last an hour
const TV_PAGE_MS = 15000;
const PAGE_GAP = 16;

const login = document.getElementById("login");
const status = document.getElementById("status");
let staleSeconds = null; // age of the newest event, when last told
let toldAt = null; // when that was, by this page's clock
let opened = false;

function told(message) {
  staleSeconds = message.staleness_seconds;
  toldAt = performance.now();
}

function tick() {
  document.getElementById("clock").textContent = new Date().toLocaleTimeString(document.documentElement.lang, { hourCycle: "h23" });
  const silentMs = toldAt === null ? Infinity : performance.now() - toldAt;
  const seconds = staleSeconds === null ? null : staleSeconds + silentMs / 1000;
  let name = "live";
  let words = seconds === null ? say("noEvent") : say("live", Math.floor(seconds));
  if (silentMs > SILENT_MS) {
    name = opened ? "lost" : "connecting";
    words = say(name);
  } else if (seconds !== null && seconds > STALE_SECONDS) {
    name = "stale";
    words = say("stale", Math.floor(seconds));
  }
  status.className = name;
  if (status.textContent !== words) status.textContent = words;
  document.body.classList.toggle("old", name === "lost");
  if (name === "lost") return;
  tiles.tick();
  alerts.tick();
  agents.tick();
  refresh(tiles.shown());
}

async function connect() {
  const mayAlerts = (await fetch("/v1/alerts?state=firing").catch(() => null))?.ok;
  const source = new EventSource(`/v1/stream?scopes=queue:*${mayAlerts ? ",alerts" : ""}&windows=15m,day`);
  const on = (kind, take) => source.addEventListener(kind, (event) => {
    const message = JSON.parse(event.data);
    told(message);
    take(message);
  });
  on("queue", tiles.take);
  on("alerts", alerts.take);
  on("heartbeat", () => {});
  source.onopen = () => { opened = true; };
  source.onerror = () => {
    // the browser reconnects by itself with Last-Event-ID, except after an answer such as 401 or 503
    if (source.readyState === EventSource.CLOSED) setTimeout(enter, 2000);
  };
}

// EventSource cannot send a token: the page trades it for a cookie of an hour, which it renews while it is open
async function session(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return (await fetch("/session", { method: "POST", headers }).catch(() => ({ status: 0 }))).status;
}

async function enter() {
  const locked = await session() === 401;
  login.hidden = !locked;
  if (!locked) connect();
}

login.addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = document.getElementById("token");
  const answer = await session(input.value.trim());
  document.getElementById("refused").textContent = answer === 401 ? say("unknownToken") : "";
  if (answer !== 204) return;
  input.value = "";
  login.hidden = true;
  connect();
});

// What was chosen becomes visible.
function choose(what) {
  const { body, documentElement: root } = document;
  root.dataset.theme = choice.theme;
  body.classList.toggle("tv", choice.tv);
  body.classList.toggle("shows-agents", choice.view === "agents");
  document.getElementById("board").hidden = choice.view !== "queues";
  document.getElementById("agents").hidden = choice.view !== "agents";
  if (what === "lang" || what === undefined) {
    speak(choice.lang);
    fill();
    tiles.retell();
    alerts.show();
  }
  tiles.order();
  agents.show();
  if (what === "view") agents.refresh();
}

// In TV mode a board that is longer than the screen is shown page by page: the next page begins with what this one cuts.
function turnPage() {
  if (!choice.tv) return;
  const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
  const end = scrollTop + clientHeight >= scrollHeight - 4;
  const head = document.querySelector("header").offsetHeight; // it stays
  const rows = [...document.querySelectorAll("main .tile, main tbody tr")].map((row) => row.getBoundingClientRect());
  const cut = rows.find(({ top, bottom, height }) => height && bottom > clientHeight && top > head + 2 * PAGE_GAP);
  window.scrollTo({ top: end ? 0 : scrollTop + (cut ? cut.top : clientHeight) - head - PAGE_GAP });
}

choose();
listen(choose);
enter();
agents.refresh();
setInterval(session, RENEW_MS);
setInterval(tick, 500);
setInterval(agents.refresh, 2000);
setInterval(turnPage, TV_PAGE_MS);
tick();
