// The wallboard: one tile a queue, fed by /v1/stream. Numbers come from the service; only the oldest wait grows here.
"use strict";

const STATES = ["available", "reserved", "on_contact", "acw", "not_ready"];
const STALE_SECONDS = 30;
const SILENT_MS = 6000; // heartbeats come every two seconds
const WINDOW = "15m";
const RENEW_MS = 600000; // sessions last an hour

const board = document.getElementById("board");
const login = document.getElementById("login");
const status = document.getElementById("status");
const tiles = new Map();
let staleSeconds = null; // age of the newest event, when last told
let toldAt = null; // when that was, by this page's clock
let opened = false;

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60);
  return `${minutes}:${String(whole % 60).padStart(2, "0")}`;
}

function text(tile, part, value) {
  tile.querySelector(part).textContent = value;
}

function tileOf(id) {
  let tile = tiles.get(id);
  if (!tile) {
    tile = document.getElementById("tile").content.firstElementChild.cloneNode(true);
    tile.dataset.queue = id;
    tiles.set(id, tile);
    board.append(tile);
  }
  return tile;
}

function promise(level) {
  if (level.threshold_seconds === null) return "no threshold set";
  return `target ${Math.round(level.target_ratio * 100)} % in ${level.threshold_seconds} s · ${level.variant} · last ${WINDOW}`;
}

function show(queue) {
  const tile = tileOf(queue.id);
  const ratio = queue.windows[WINDOW].service_level_ratio;
  const good = ratio === null ? null : ratio >= queue.service_level.target_ratio;
  tile.className = good === null ? "tile" : good ? "tile good" : "tile bad";
  text(tile, "h2", queue.name);
  text(tile, ".where", [queue.site, queue.channel, queue.group].filter(Boolean).join(" · "));
  text(tile, ".mark", good === null ? "" : good ? "▲" : "▼");
  text(tile, ".ratio", ratio === null ? "–" : `${(ratio * 100).toFixed(0)} %`);
  text(tile, ".promise", promise(queue.service_level));
  text(tile, ".waiting", queue.now.waiting);
  text(tile, ".expected", duration(queue.now.expected_wait_seconds));
  text(tile, ".counts", `${queue.windows.day.answered} / ${queue.windows.day.offered}`);
  tile.oldest = queue.now.oldest_wait_seconds;
  tile.shownAt = performance.now();
  tile.querySelector(".staff").replaceChildren(...STATES.map((state) => {
    const item = document.createElement("li");
    const count = document.createElement("b");
    count.textContent = queue.now[`agents_${state}`];
    item.append(count, ` ${state.replace("_", " ")}`);
    return item;
  }));
  age(tile);
}

function age(tile) {
  const grown = (performance.now() - tile.shownAt) / 1000;
  text(tile, ".oldest", tile.oldest === null ? "–" : duration(tile.oldest + grown));
}

function told(message) {
  staleSeconds = message.staleness_seconds;
  toldAt = performance.now();
}

function tick() {
  document.getElementById("clock").textContent = new Date().toLocaleTimeString();
  const silentMs = toldAt === null ? Infinity : performance.now() - toldAt;
  const seconds = staleSeconds === null ? null : staleSeconds + silentMs / 1000;
  let name = "live";
  let words = seconds === null ? "no event yet" : `live · newest event ${Math.floor(seconds)} s ago`;
  if (silentMs > SILENT_MS) {
    name = "lost";
    words = opened ? "connection lost, reconnecting – figures are old" : "connecting…";
  } else if (seconds !== null && seconds > STALE_SECONDS) {
    name = "stale";
    words = `stale: newest event ${Math.floor(seconds)} s ago`;
  }
  status.className = name;
  if (status.textContent !== words) status.textContent = words;
  board.classList.toggle("old", name === "lost" && opened);
  if (name !== "lost") tiles.forEach(age);
}

function connect() {
  const source = new EventSource(`/v1/stream?windows=${WINDOW},day`);
  source.addEventListener("queue", (event) => {
    const queue = JSON.parse(event.data);
    told(queue);
    show(queue);
  });
  source.addEventListener("heartbeat", (event) => told(JSON.parse(event.data)));
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
  document.getElementById("refused").textContent = answer === 401 ? "this token is unknown or has expired" : "";
  if (answer !== 204) return;
  input.value = "";
  login.hidden = true;
  connect();
});

enter();
setInterval(session, RENEW_MS);
setInterval(tick, 500);
tick();
