// Shows one flag: its row, and the details that open below it.

import * as changes from "./changes.js";
import { button, fill, make, mistake, mistakeLine, options, plural, set, toast } from "./dom.js";
import { askToDelete, edit, lostWith } from "./editor.js";
import { clauses, code, listed, all, rollout, ruleName, serving, time, variation } from "./words.js";

const SHARES = "\0shares";
let ids = 0;

/**
 * @param {string} name
 * @param {{ change: (flag: string, body: object) => Promise<void> }} actions
 */
export function flagRow(name, { change }) {
  const id = `flag-${(ids += 1)}`;
  let flag;
  let counts = {};
  let editable = false;
  let text = "";
  let detail;

  const open = set(button("open", "", () => expand(open.getAttribute("aria-expanded") !== "true")), { "aria-expanded": "false", "aria-controls": `${id}-detail` });
  open.replaceChildren(set(make("span", "chevron"), { "aria-hidden": "true" }), make("span", "flag-name", name));
  const kind = make("span", "kind");
  const description = make("p", "description");
  const facts = make("p", "facts");
  const stamps = make("p", "facts stamps");
  const select = make("select");
  const served = make("p", "served-off");
  const when = set(make("span", "word"), { "aria-hidden": "true" });
  const pick = make("label", "pick", make("span", "sr-only", `Default variation of ${name}`), when, select);
  const bar = make("div", "pick-bar");
  const word = make("span", "word");
  const toggle = set(button("switch", "", flip), { role: "switch", "aria-label": `${name} is on` });
  toggle.replaceChildren(make("span", "track"), word);
  const wrong = mistakeLine();
  const below = set(make("div", "detail"), { id: `${id}-detail`, hidden: true });
  const item = make("li", "card flag", make("div", "head", make("h2", "name", open, kind), description, facts, stamps), make("div", "default", served, pick, bar), toggle, wrong, below);

  function flip() {
    const on = toggle.getAttribute("aria-checked") !== "true";
    void attempt({ state: on ? "on" : "off" }, on ? `${name} is on` : `${name} is off: everybody gets ${flag.off}`, wrong);
  }

  select.addEventListener("change", () => {
    void attempt({ default: select.value }, `${name} serves ${select.value} by default`, wrong);
  });

  /** Returns whether the change was made. A failure is shown at `place`, and the controls show what is in force. */
  async function attempt(body, done, place) {
    mistake(place, "");
    set(item, { "aria-busy": "true" });
    try {
      await change(name, body);
      toast(done);
      return true;
    } catch (error) {
      mistake(place, error.message);
      render();
      return false;
    } finally {
      set(item, { "aria-busy": null });
    }
  }

  function expand(wanted) {
    set(open, { "aria-expanded": String(wanted) });
    below.hidden = !wanted;
    if (wanted && !detail) detail = flagDetail(below, name, attempt);
    if (wanted) detail.update(flag, counts, editable);
  }

  function render() {
    const { on } = flag;
    const shares = flag.serve.distribution;
    row.on = on;
    row.kind = flag.kind;
    item.classList.toggle("is-off", !on);
    kind.textContent = flag.kind;
    description.textContent = flag.description ?? "";
    set(toggle, { "aria-checked": String(on) });
    toggle.disabled = !editable;
    word.textContent = on ? "On" : "Off";
    served.hidden = on;
    fill(served, [on, flag.off, flag.variations], () => (on ? [] : [make("span", "word", "off, so everybody gets "), variation(flag.off, flag)]));
    when.textContent = on ? "serves" : "once on";
    const choices = flag.variations.map(({ identifier }) => [identifier, identifier]);
    if (shares) choices.unshift([SHARES, "shares"]);
    options(select, choices, shares ? SHARES : (flag.serve.variation ?? ""));
    select.disabled = !editable || choices.length < 2;
    fill(bar, [shares, flag.variations.map((one) => one.identifier)], () => (shares ? rollout(shares.variations, flag, { bare: true }) : []));
    fill(facts, [flag.rules.length, flag.overrides, flag.requires, flag.problems, flag.tags, flag.owner, flag.metadata], () => briefly(flag));
  }

  const row = {
    item,
    name,
    on: false,
    kind: "",
    /** The text that is searched. */
    text: "",
    /** When the flag last changed, in seconds since 1970; undefined if that was before the server's start. */
    changed: undefined,
    read: undefined,
    stamp(changed, read) {
      Object.assign(row, { changed, read });
      fill(stamps, [changed, read], () => [changed && make("span", "fact", "changed ", time(changed * 1000)), read && make("span", "fact", "read ", time(read * 1000))]);
    },
    update(given, givenCounts, canEdit) {
      const next = JSON.stringify([given, canEdit]);
      const differs = text !== "" && next !== text;
      const counted = JSON.stringify(givenCounts) !== JSON.stringify(counts);
      flag = given;
      counts = givenCounts;
      editable = canEdit;
      if (next !== text) {
        text = next;
        row.text = searchable(flag);
        render();
      }
      if ((differs || counted) && !below.hidden) detail.update(flag, counts, editable);
      if (differs) {
        item.classList.remove("changed");
        // Reading the layout lets the animation start again.
        void item.offsetWidth;
        item.classList.add("changed");
      }
    },
  };
  return row;
}

/** Describes in a line what the flag has beyond its default. */
function briefly(flag) {
  const parts = [];
  if (flag.requires.length > 0) parts.push(make("span", "fact", `requires ${flag.requires.map((one) => one.flag).join(", ")}`));
  const targets = flag.overrides.reduce((sum, one) => sum + one.targets.total, 0);
  const groups = flag.overrides.reduce((sum, one) => sum + one.groups.length, 0);
  if (targets > 0) parts.push(make("span", "fact", plural(targets, "target override")));
  if (groups > 0) parts.push(make("span", "fact", plural(groups, "group override")));
  if (flag.rules.length > 0) parts.push(make("span", "fact", plural(flag.rules.length, "rule")));
  if (flag.problems) parts.push(make("span", "fact bad", plural(flag.problems.length, "problem")));
  if (flag.owner) parts.push(make("span", "fact", `owned by ${flag.owner.join(", ")}`));
  if (flag.tags) parts.push(make("span", "fact", `tagged ${flag.tags.join(", ")}`));
  for (const [name, value] of Object.entries(flag.metadata ?? {})) parts.push(make("span", "fact", `${name}: ${value}`));
  return parts;
}

function searchable(flag) {
  const texts = [flag.flag, flag.description ?? "", flag.kind, ...(flag.tags ?? []), ...(flag.owner ?? [])];
  for (const [name, value] of Object.entries(flag.metadata ?? {})) texts.push(name, String(value));
  for (const one of flag.variations) texts.push(one.identifier, one.value, one.name ?? "", one.description ?? "");
  for (const one of flag.requires) texts.push(one.flag);
  for (const one of flag.overrides) texts.push(...one.targets.first, ...one.groups);
  for (const rule of flag.rules) for (const one of rule.clauses) texts.push(one.attribute, ...one.values.first);
  return texts.join("\n").toLowerCase();
}

/** Returns the details of a flag, in the order in which an evaluation goes through them. */
function flagDetail(below, name, attempt) {
  let flag;
  const problems = make("ul", "problems");
  const off = step("While it is off");
  const offSelect = make("select");
  const offWrong = mistakeLine();
  off.body.append(make("label", "inline", make("span", "", "everybody gets"), offSelect), offWrong);
  set(offSelect, { "aria-label": `Variation of ${name} while it is off` });
  offSelect.addEventListener("change", async () => {
    const worked = await attempt({ off: offSelect.value }, `${name} serves ${offSelect.value} while off`, offWrong);
    if (!worked) offSelect.value = flag.off;
  });

  const requires = step("Requires");
  const overrides = step("Target overrides");
  const overrideList = make("ul", "overrides");
  const target = set(make("input"), { autocomplete: "off", spellcheck: "false", placeholder: "user-42", "aria-label": `Target that gets its own variation of ${name}` });
  const gets = set(make("select"), { "aria-label": `Variation of ${name} for this target` });
  const wrong = mistakeLine();
  const form = set(make("form", "override-form", target, make("span", "word", "gets"), gets, set(make("button", "quiet", "Add override"), { type: "submit" })), { novalidate: true });
  overrides.body.append(overrideList, form, wrong);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const identifier = target.value.trim();
    if (identifier === "") {
      mistake(wrong, "Say which target: its identifier, as the app sends it.");
      target.focus();
      return;
    }
    const body = { target: { identifier, variation: gets.value } };
    if (await attempt(body, `${identifier} gets ${gets.value} of ${name}`, wrong)) target.value = "";
    target.focus();
  });

  const rules = step("Rules");
  const otherwise = step("Otherwise");
  const variations = step("Variations");
  const history = step("Changes");
  const logged = changes.ofFlag(name);
  history.body.append(logged.node);
  const link = make("a", "button quiet", `Why does a target get what it gets?`);
  link.href = `#why/${encodeURIComponent(name)}`;
  const said = mistakeLine();
  const change = button("quiet", "Edit", () => void edit("flag", name, said), { "aria-label": `Edit ${name}` });
  const drop = button("quiet", "Delete", () => askToDelete("flag", name, lostWith(flag)), { "aria-label": `Delete ${name}` });
  below.append(problems, off.node, requires.node, overrides.node, rules.node, otherwise.node, variations.node, history.node, make("div", "actions more", change, drop, link), said);

  function remove(identifier, node) {
    void attempt({ target: { identifier, variation: null } }, `${identifier} gets what the rules of ${name} say`, wrong).then((worked) => {
      // The button that had the focus is gone with its target.
      if (worked && !node.isConnected) target.focus();
    });
  }

  return {
    update(given, counts, editable) {
      flag = given;
      const names = flag.variations.map((one) => [one.identifier, one.identifier]);
      change.hidden = !editable;
      drop.hidden = !editable;
      problems.hidden = !flag.problems;
      fill(problems, flag.problems ?? [], () => (flag.problems ?? []).map((text) => make("li", "", text)));
      options(offSelect, names, flag.off);
      offSelect.disabled = !editable || names.length < 2;
      requires.node.hidden = flag.requires.length === 0;
      fill(requires.list, flag.requires, () => flag.requires.map((one) => make("li", "", make("span", "attribute", one.flag), " serves ", ...listed(all(one.variations)))));
      overrides.node.hidden = flag.overrides.length === 0 && (!editable || names.length < 2);
      fill(overrideList, [flag.overrides, editable, names], () => flag.overrides.map((entry) => override(entry, flag, editable, remove)));
      form.hidden = !editable || names.length < 2;
      options(gets, names);
      rules.node.hidden = flag.rules.length === 0;
      fill(rules.list, [flag.rules, names], () => flag.rules.map((rule) => ruleLine(rule, flag)));
      fill(otherwise.body, [flag.serve, names], () => make("div", "then", make("span", "word", "serve "), serving(flag.serve, flag)));
      fill(variations.body, [flag.variations, counts], () => variationTable(flag, counts));
      history.node.hidden = !changes.areLogged();
      if (changes.areLogged()) logged.update();
    },
  };
}

/** Returns a part of the details, with its name at the side. */
function step(title) {
  const list = make("ol", "lines");
  const body = make("div", "step-body", list);
  return { node: make("section", "step", make("h3", "", title), body), body, list };
}

function ruleLine(rule, flag) {
  const name = ruleName(rule.name);
  return make("li", "rule", name && make("span", "rule-name", name), make("span", "", make("b", "word", "if "), ...clauses(rule.clauses)), make("span", "then", make("span", "word", "serve "), serving(rule.serve, flag)));
}

function override({ variation: served, targets, groups }, flag, editable, remove) {
  const chips = targets.first.map((identifier) => {
    const chip = make("li", "target", code(identifier));
    if (editable) chip.append(button("remove", "×", () => remove(identifier, chip), { "aria-label": `Remove the override of ${identifier}`, title: "Remove" }));
    return chip;
  });
  const more = targets.total - targets.first.length;
  return make(
    "li",
    "override",
    variation(served, flag),
    make("span", "word", " for "),
    make("ul", "targets", chips, groups.map((group) => make("li", "target", `group ${group}`)), more > 0 && make("li", "target", `${more.toLocaleString("en")} more`)),
  );
}

function variationTable(flag, counts) {
  const counted = Object.keys(counts).length > 0;
  return make(
    "table",
    "values",
    make(
      "tbody",
      "",
      flag.variations.map((one) => {
        const head = set(make("th", "", variation(one.identifier, flag)), { scope: "row" });
        const about = [one.name, one.description].filter(Boolean).join(": ");
        const value = make("td", "", code(one.value), about && make("p", "about", about));
        return make("tr", "", head, value, counted && make("td", "served", `${(counts[one.identifier] ?? 0).toLocaleString("en")}\u00a0×\u00a0served`));
      }),
    ),
  );
}
