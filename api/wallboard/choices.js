// What the viewer chose: it lives in the address, so that a wallboard is a link.
import { LANGUAGES, say } from "/wallboard/words.js";

const OPTIONS = {
  view: ["queues", "agents"], sort: ["worst", "name"], theme: ["auto", "light", "dark"], lang: Object.keys(LANGUAGES),
};
const FIRST = { view: "queues", sort: "worst", theme: "auto", lang: navigator.language?.startsWith("zh") ? "zh" : "en" };
const form = document.getElementById("filters");
const seen = { site: new Set(), channel: new Set(), group: new Set(), team: new Set() };

export const choice = {};

function read() {
  const asked = new URLSearchParams(location.search);
  for (const name of ["view", "sort", "theme", "lang"]) {
    choice[name] = OPTIONS[name].includes(asked.get(name)) ? asked.get(name) : FIRST[name];
  }
  for (const name of ["site", "channel", "group", "team", "find"]) choice[name] = asked.get(name) ?? "";
  choice.queues = new Set((asked.get("queue") ?? "").split(",").filter(Boolean));
  choice.tv = asked.get("tv") === "1";
}

function write() {
  const asked = new URLSearchParams();
  for (const name of ["view", "sort", "theme", "lang"]) if (choice[name] !== FIRST[name]) asked.set(name, choice[name]);
  for (const name of ["site", "channel", "group", "team", "find"]) if (choice[name]) asked.set(name, choice[name]);
  if (choice.queues.size) asked.set("queue", [...choice.queues].join(","));
  if (choice.tv) asked.set("tv", "1");
  history.replaceState(null, "", asked.size ? `?${asked}` : location.pathname);
}

function option(value, words) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = words;
  return made;
}

// Fill the lists; a choice that nothing has (yet) stays in its list.
export function fill() {
  for (const [name, values] of Object.entries(OPTIONS)) {
    const words = (value) => (name === "lang" ? LANGUAGES[value] : say(value));
    form.elements[name].replaceChildren(...values.map((value) => option(value, words(value))));
    form.elements[name].value = choice[name];
  }
  for (const [name, values] of Object.entries(seen)) {
    const all = [...new Set([...values, choice[name]])].filter(Boolean).sort();
    form.elements[name].replaceChildren(option("", say("all")), ...all.map((value) => option(value, value)));
    form.elements[name].value = choice[name];
  }
  form.elements.find.value = choice.find;
  form.elements.tv.checked = choice.tv;
}

// Somebody has this site, channel, group or team: it can be chosen.
export function offer(name, value) {
  if (!value || seen[name].has(value)) return;
  seen[name].add(value);
  const list = form.elements[name];
  if (![...list.options].some((known) => known.value === value)) list.append(option(value, value));
}

export function wanted(queue) {
  const words = choice.find.toLowerCase();
  return (!choice.site || queue.site === choice.site) && (!choice.channel || queue.channel === choice.channel)
    && (!choice.group || queue.group === choice.group) && (!choice.queues.size || choice.queues.has(queue.id))
    && (!words || `${queue.name} ${queue.id}`.toLowerCase().includes(words));
}

export function listen(changed) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    const { name, type, checked, value } = event.target;
    choice[name] = type === "checkbox" ? checked : value;
    write();
    changed(name);
  });
  window.addEventListener("keydown", (event) => { // in TV mode there is no form to leave it with
    if (event.key === "Escape" && choice.tv && !document.querySelector("dialog[open]")) {
      choice.tv = false;
      write();
      changed("tv");
    }
  });
}

read();
