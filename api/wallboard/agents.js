// The agents' board: who is in which state, since when. It asks only while it is looked at.
import { ask } from "/wallboard/asking.js";
import { choice, offer } from "/wallboard/choices.js";
import { duration, say } from "/wallboard/words.js";

const ORDER = ["not_ready", "acw", "reserved", "on_contact", "ready", "unknown", "offline"];
const COLUMNS = ["agent", "team", "state", "reason", "since", "serves", "adherence"];
const board = document.getElementById("agents");
let items = [];

export async function refresh() {
  if (choice.view !== "agents") return;
  const answer = await ask("/v1/agents?windows=15m&fields=handled");
  if (!answer) return;
  ({ items } = answer);
  items.forEach((agent) => offer("team", agent.team));
  show();
}

export function show() {
  const words = choice.find.toLowerCase();
  const found = items.filter((agent) => (!choice.team || agent.team === choice.team) && (!choice.site || agent.site === choice.site)
    && (!words || `${agent.name} ${agent.id}`.toLowerCase().includes(words)));
  found.sort((one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state)
    || (one.state_since ?? "").localeCompare(other.state_since ?? ""));
  board.querySelector("thead tr").replaceChildren(...COLUMNS.map((name) => cell("th", say(name))));
  board.querySelectorAll("thead th").forEach((head) => head.setAttribute("scope", "col"));
  board.querySelector("tbody").replaceChildren(...found.map(row));
  const counts = ORDER.map((state) => [state, found.filter((agent) => agent.state === state).length]);
  document.getElementById("by-state").replaceChildren(...counts.filter(([, count]) => count).map(([state, count]) => {
    const item = cell("li", "");
    item.className = state;
    item.append(cell("b", count), ` ${say(state)}`);
    return item;
  }));
  tick();
}

function cell(name, words) {
  const made = document.createElement(name);
  made.textContent = words;
  return made;
}

function row(agent) {
  const made = document.createElement("tr");
  made.className = agent.state;
  made.dataset.agent = agent.id;
  const since = cell("td", "");
  since.dataset.since = agent.state_since ?? "";
  const head = cell("th", agent.name === agent.id ? agent.id : `${agent.name} (${agent.id})`);
  head.setAttribute("scope", "row");
  made.append(
    head, cell("td", agent.team ?? ""), cell("td", say(agent.state)), cell("td", agent.state_reason ?? ""), since,
    cell("td", agent.queues.join(", ")), cell("td", agent.adherence ? say(agent.adherence.state) : ""),
  );
  return made;
}

export function tick() {
  board.querySelectorAll("td[data-since]").forEach((part) => {
    const { since } = part.dataset;
    const words = since ? duration((Date.now() - Date.parse(since)) / 1000) : "–";
    if (part.textContent !== words) part.textContent = words;
  });
}
