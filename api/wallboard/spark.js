// The day's service level as a line with its target. Only tiles on the screen ask for theirs, a few at a time.
import { ask } from "/wallboard/asking.js";

const WIDTH = 240;
const HEIGHT = 40;
const EVERY_MS = 60000;
const SOON_MS = 10000; // while there is no line yet
const AT_ONCE = 4;
const SVG = "http://www.w3.org/2000/svg";
const visible = new Set();
const known = new Map(); // queue id -> { at, points }
let busy = 0;

const watcher = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
  if (isIntersecting) visible.add(target);
  else visible.delete(target);
}));

export function watch(tile) {
  if (tile.dataset.watched) return;
  tile.dataset.watched = "1";
  watcher.observe(tile);
}

// Ask for the days of what is visible and has not been asked for lately.
export async function refresh(queues) {
  for (const [tile, queue] of queues) {
    watch(tile);
    const { at = -EVERY_MS, points = [] } = known.get(queue.id) ?? {};
    const pauseMs = points.some((ratio) => ratio !== null) ? EVERY_MS : SOON_MS;
    if (busy >= AT_ONCE || !visible.has(tile) || performance.now() - at < pauseMs) continue;
    known.set(queue.id, { at: performance.now(), points });
    busy += 1;
    load(queue).then(() => draw(tile, queue)).finally(() => { busy -= 1; });
  }
}

async function load(queue) {
  const answer = await ask(`/v1/queues/${encodeURIComponent(queue.id)}/intervals`);
  if (!answer) return;
  known.get(queue.id).points = answer.items.map((each) => each.service_level_ratio ?? null);
}

export function draw(tile, queue) {
  const points = known.get(queue.id)?.points ?? [];
  const svg = tile.querySelector(".spark");
  const y = (ratio) => (HEIGHT - 2 - ratio * (HEIGHT - 4)).toFixed(1);
  const parts = [];
  if (queue.service_level.threshold_seconds !== null) {
    parts.push(line("target", `M0 ${y(queue.service_level.target_ratio)}H${WIDTH}`));
  }
  const step = points.length > 1 ? WIDTH / (points.length - 1) : 0;
  let path = "";
  let pen = "M"; // an interval without contacts interrupts the line
  points.forEach((ratio, place) => {
    if (ratio === null) {
      pen = "M";
      return;
    }
    path += `${pen}${(place * step).toFixed(1)} ${y(ratio)}`;
    pen = "L";
  });
  if (path) parts.push(line("day", path));
  svg.replaceChildren(...parts);
}

function line(name, path) {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", name);
  made.setAttribute("d", path);
  return made;
}
