// Shows /openapi.json without a script from elsewhere: every path, what it answers, its parameters.
"use strict";

function element(name, content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

function kind(schema) {
  if (schema.anyOf) return schema.anyOf.filter((s) => s.type !== "null").map(kind).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  return schema.items ? `${kind(schema.items)}, repeatable` : schema.type ?? "";
}

function operation(path, method, what) {
  const title = element("h2", [element("code", [method.toUpperCase()]), ` ${path}`]);
  const rows = (what.parameters ?? []).map((p) => element("tr", [
    element("td", [p.name]), element("td", [p.in]), element("td", [kind(p.schema)]),
    element("td", [p.description ?? (p.schema.default === undefined ? "" : `default ${p.schema.default}`)]),
  ]));
  return element("section", [title, element("p", [what.summary ?? ""]), element("table", rows)]);
}

async function load() {
  const answer = await fetch("/openapi.json");
  const spec = await answer.json();
  document.getElementById("about").textContent = spec.info.description;
  const operations = Object.entries(spec.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, what]) => operation(path, method, what)));
  document.getElementById("paths").append(...operations);
}

load();
