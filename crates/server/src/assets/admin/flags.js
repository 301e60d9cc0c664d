// Shows the list of flags, one row for each; searches, filters and sorts it.

import { button, el, fill, make, mistakeLine, options, plural } from "./dom.js";
import { askToDelete, edit, lostWithGroup } from "./editor.js";
import { flagRow } from "./flag.js";
import { clauses, listed } from "./words.js";

/** In a list longer than this, rows outside the visible part are not drawn. */
const MANY = 60;

/** The rows, by flag. They are kept across updates, so that focus, open details and typed text stay. */
const rows = new Map();
let environment;
let actions;

export function start(given) {
  actions = given;
  for (const id of ["search", "filter-state", "filter-kind"]) el(id).addEventListener("input", filter);
  el("sort").addEventListener("input", sort);
  el("clear").addEventListener("click", () => {
    for (const id of ["search", "filter-state", "filter-kind"]) el(id).value = "";
    filter();
    el("search").focus();
  });
}

export function show(overview) {
  if (environment !== overview.environment) {
    environment = overview.environment;
    rows.clear();
    el("flags").replaceChildren();
  }
  const list = el("flags");
  const names = new Set(overview.flags.map((flag) => flag.flag));
  for (const [name, row] of rows) {
    if (names.has(name)) continue;
    row.item.remove();
    rows.delete(name);
  }
  for (const flag of overview.flags) {
    let row = rows.get(flag.flag);
    if (!row) {
      row = flagRow(flag.flag, actions);
      rows.set(flag.flag, row);
    }
    row.update(flag, overview.counts[flag.flag] ?? {}, overview.editable);
    row.stamp(overview.changes[flag.flag], overview.reads[flag.flag]);
  }
  // A row that the user is working in must not move, so only new rows are put in.
  if (!list.contains(document.activeElement) || list.children.length !== rows.size) sort();
  const kinds = [...new Set(overview.flags.map((flag) => flag.kind))].sort();
  options(el("filter-kind"), [["", "Any kind"], ...kinds.map((kind) => [kind, kind])]);
  el("source").textContent = `from ${overview.source.source}`;
  const readOnly = el("read-only");
  readOnly.hidden = overview.editable || overview.source.source === "";
  readOnly.textContent = overview.reader ? `Your token, ${overview.reader}, may read, not edit, so nothing can be changed here.` : `These flags come from ${overview.source.source} and are changed there; here they can be looked at.`;
  list.classList.toggle("many", rows.size > MANY);
  filter();
  groups(overview.groups, overview.editable);
}

/** Compares names by the numbers in them: `step-2` comes before `step-10`. */
const NAMES = new Intl.Collator("en", { numeric: true });

const ORDERS = {
  name: () => 0,
  state: (a, b) => Number(b.on) - Number(a.on),
  changed: (a, b) => (b.changed ?? 0) - (a.changed ?? 0),
  read: (a, b) => (b.read ?? 0) - (a.read ?? 0),
};

/** Puts the rows in the chosen order; rows that are equal in it are ordered by name. */
function sort() {
  const order = ORDERS[el("sort").value];
  const list = el("flags");
  const sorted = [...rows.values()].sort((a, b) => order(a, b) || NAMES.compare(a.name, b.name));
  sorted.forEach((row, index) => {
    if (list.children[index] !== row.item) list.insertBefore(row.item, list.children[index] ?? null);
  });
}

function filter() {
  // Each word is searched by itself, so that "new checkout" finds `new-checkout`.
  const wanted = el("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const state = el("filter-state").value;
  const kind = el("filter-kind").value;
  let visible = 0;
  for (const row of rows.values()) {
    const match = wanted.every((word) => row.text.includes(word)) && (state === "" || (state === "on") === row.on) && (kind === "" || kind === row.kind);
    row.item.hidden = !match;
    if (match) visible += 1;
  }
  const text = visible === rows.size ? plural(rows.size, "flag") : `${visible.toLocaleString("en")} of ${plural(rows.size, "flag")}`;
  if (el("summary").textContent !== text) el("summary").textContent = text;
  el("none").hidden = visible > 0 || rows.size === 0;
}

function groups(list, editable) {
  el("groups-section").hidden = list.length === 0 && !editable;
  fill(el("groups"), [list, editable], () => list.map((group) => groupCard(group, editable)));
}

function groupCard(group, editable) {
  const line = (label, ...text) => make("p", "", make("span", "word", label, " "), ...text);
  const named = group.name && group.name !== group.group ? make("span", "kind", group.name) : null;
  const members = [
    group.excluded.total > 0 && line("never", ...listed(group.excluded)),
    group.included.total > 0 && line("always", ...listed(group.included)),
    ...group.rules.map((rule) => line("if", ...clauses(rule))),
  ].filter(Boolean);
  return make("li", "card group", make("h3", "name", make("span", "", group.group), named), members.length > 0 ? members : line("nobody yet"), editable && groupTools(group));
}

function groupTools(group) {
  const said = mistakeLine();
  const change = button("quiet", "Edit", () => void edit("group", group.group, said), { "aria-label": `Edit group ${group.group}` });
  const drop = button("quiet", "Delete", () => askToDelete("group", group.group, lostWithGroup(group)), { "aria-label": `Delete group ${group.group}` });
  return [make("div", "actions more", change, drop), said];
}
