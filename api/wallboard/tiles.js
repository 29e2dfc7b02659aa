// One tile a queue. Only what changed is written, once a frame, so that 500 queues stay light.
import { choice, offer, wanted } from "/wallboard/choices.js";
import { draw } from "/wallboard/spark.js";
import { duration, say, translate } from "/wallboard/words.js";

const STATES = ["available", "reserved", "on_contact", "acw", "not_ready"];
const board = document.getElementById("board");
const tiles = new Map();
const coming = new Map();
let planned = false;

export function take(queue) {
  coming.set(queue.id, queue);
  if (planned) return;
  planned = true;
  requestAnimationFrame(flush);
}

function flush() {
  planned = false;
  coming.forEach(show);
  coming.clear();
  order();
}

function make(id) {
  const element = document.getElementById("tile").content.firstElementChild.cloneNode(true);
  element.dataset.queue = id;
  translate(element);
  const part = (name) => element.querySelector(name);
  const tile = { element, queue: null, oldest: null, shownAt: 0, parts: {} };
  for (const name of ["h2", ".where", ".mark", ".ratio", ".judged", ".promise", ".waiting", ".oldest", ".expected", ".counts"]) {
    tile.parts[name] = part(name);
  }
  tile.staff = STATES.map((state) => {
    const item = document.createElement("li");
    item.className = state;
    const count = document.createElement("b");
    const words = document.createElement("span");
    words.dataset.words = state;
    words.textContent = say(state);
    item.append(count, " ", words);
    part(".staff").append(item);
    return { state, count };
  });
  tiles.set(id, tile);
  board.append(element);
  return tile;
}

function write(tile, name, words) {
  const part = tile.parts[name];
  if (part.textContent !== String(words)) part.textContent = words;
}

function promise(level) {
  if (level.threshold_seconds === null) return say("noThreshold");
  return say("target", Math.round(level.target_ratio * 100), level.threshold_seconds, level.variant);
}

function show(queue) {
  const tile = tiles.get(queue.id) ?? make(queue.id);
  for (const name of ["site", "channel", "group"]) offer(name, queue[name]);
  const ratio = queue.windows["15m"].service_level_ratio;
  const judged = ratio === null ? "none" : ratio >= queue.service_level.target_ratio ? "good" : "bad";
  tile.queue = queue;
  tile.gap = ratio === null ? -1 : queue.service_level.target_ratio - ratio;
  tile.element.className = `tile ${judged}`;
  write(tile, "h2", queue.name);
  write(tile, ".where", [queue.site, queue.channel, queue.group].filter(Boolean).join(" · "));
  write(tile, ".mark", { none: "", good: "▲", bad: "▼" }[judged]);
  write(tile, ".ratio", ratio === null ? "–" : `${(ratio * 100).toFixed(0)} %`);
  write(tile, ".judged", say(judged));
  write(tile, ".promise", promise(queue.service_level));
  write(tile, ".waiting", queue.now.waiting);
  write(tile, ".expected", duration(queue.now.expected_wait_seconds));
  write(tile, ".counts", `${queue.windows.day.answered} / ${queue.windows.day.offered}`);
  tile.oldest = queue.now.oldest_wait_seconds;
  tile.shownAt = performance.now();
  for (const { state, count } of tile.staff) {
    const number = queue.now[`agents_${state}`] ?? 0;
    if (count.textContent !== String(number)) count.textContent = number;
  }
  age(tile);
}

function age(tile) {
  const grown = (performance.now() - tile.shownAt) / 1000;
  write(tile, ".oldest", tile.oldest === null ? "–" : duration(tile.oldest + grown));
}

// The oldest wait grows by the clock between two messages.
export function tick() {
  tiles.forEach((tile) => { if (tile.oldest !== null) age(tile); });
}

// Show what the filters leave, in the order chosen; the worst queue is the one farthest below its target.
export function order() {
  const found = [...tiles.values()].filter((tile) => {
    tile.element.hidden = !wanted(tile.queue);
    return !tile.element.hidden;
  });
  const by = {
    name: (one, other) => one.queue.name.localeCompare(other.queue.name),
    worst: (one, other) => Math.round((other.gap - one.gap) * 100) || one.queue.name.localeCompare(other.queue.name),
  }[choice.sort];
  const elements = found.sort(by).map((tile) => tile.element);
  const present = [...board.children].filter((element) => !element.hidden);
  if (elements.some((element, place) => element !== present[place])) board.append(...elements);
  document.getElementById("empty").hidden = found.length > 0 || choice.view !== "queues" || tiles.size === 0;
}

export function retell() {
  tiles.forEach((tile) => {
    translate(tile.element);
    show(tile.queue);
    draw(tile.element, tile.queue);
  });
}

export function shown() {
  return [...tiles.values()].filter((tile) => !tile.element.hidden).map((tile) => [tile.element, tile.queue]);
}
