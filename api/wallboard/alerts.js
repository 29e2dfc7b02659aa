// Alerts that fire, the most urgent first, and taking one in hand.
import { duration, say, spoken } from "/wallboard/words.js";

const MARKS = { page: "⬤", warning: "▲", info: "ℹ" };
const panel = document.getElementById("alerts");
const dialog = document.getElementById("ack");
let items = [];
let asked = null;

export function take(message) {
  items = message.items;
  show();
}

function element(name, className, words) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = words;
  return made;
}

export function show() {
  panel.hidden = items.length === 0;
  document.getElementById("alerts-title").textContent = say("firing", items.length);
  const kept = document.activeElement?.dataset?.fingerprint;
  panel.querySelector("ul").replaceChildren(...items.map(row));
  if (kept) panel.querySelector(`button[data-fingerprint="${CSS.escape(kept)}"]`)?.focus();
}

// The rule's own sentence, in Chinese where the page is and the rule has one.
function words(alert) {
  return (spoken() === "zh" && alert.message_zh) || alert.message;
}

function row(alert) {
  const made = element("li", `alert ${alert.severity}`, "");
  const mark = element("span", "mark", MARKS[alert.severity] ?? "●");
  mark.setAttribute("aria-hidden", "true");
  const since = element("span", "since", "");
  since.dataset.since = alert.fired_at ?? alert.since;
  made.append(
    mark, " ", element("b", "severity", say(alert.severity)), " ", element("span", "scope", alert.scope), " ",
    element("span", "message", words(alert)), " ", since, " ",
  );
  made.append(alert.acknowledged ? element("span", "taken", say("taken", alert.acknowledged.by)) : button(alert));
  return made;
}

function button(alert) {
  const made = element("button", "", say("take"));
  made.type = "button";
  made.dataset.fingerprint = alert.fingerprint;
  made.setAttribute("aria-label", `${say("take")}: ${words(alert)}`);
  made.addEventListener("click", () => {
    asked = alert;
    document.getElementById("ack-what").textContent = words(alert);
    document.getElementById("ack-refused").textContent = "";
    document.getElementById("ack-who").value = localStorage.getItem("who") ?? "";
    dialog.returnValue = "";
    dialog.showModal();
  });
  return made;
}

export function tick() {
  panel.querySelectorAll("[data-since]").forEach((part) => {
    const words = say("ago", duration((Date.now() - Date.parse(part.dataset.since)) / 1000));
    if (part.textContent !== words) part.textContent = words;
  });
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
  if (event.submitter?.value !== "take") return;
  event.preventDefault();
  const who = document.getElementById("ack-who").value.trim();
  const note = document.getElementById("ack-note").value.trim() || null;
  localStorage.setItem("who", who);
  const answer = await fetch(`/v1/alerts/${encodeURIComponent(asked.fingerprint)}/ack`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ who, note }),
  }).catch(() => null);
  if (answer?.ok) {
    document.getElementById("ack-note").value = "";
    dialog.close();
    return;
  }
  const detail = (await answer?.json().catch(() => null))?.detail ?? "";
  document.getElementById("ack-refused").textContent = say("notTaken") + detail;
});
