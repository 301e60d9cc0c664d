// The parts that the forms for flags and groups are made of. Each part returns its element and a `read` that gives the JSON of the
// flags file. What nobody has touched is given back as it was written.

import { button, make, mistake, mistakeLine, options, set } from "./dom.js";

let ids = 0;

/** Wraps `read`: as long as nothing was changed in the form, the given value is returned as it was. */
export function unlessTouched(original, read) {
  const before = state(read);
  return () => (original !== undefined && state(read) === before ? original : read());
}

function state(read) {
  try {
    return JSON.stringify(read()) ?? "";
  } catch {
    return undefined;
  }
}

/** Thrown by `read` where a field cannot be used as it is. */
export const wrong = (field, text) => Object.assign(new Error(text), { field });

/** Returns an input, a select or a textarea under a label. */
export function labelled(text, control, hint) {
  const id = `edit-${(ids += 1)}`;
  set(control, { id });
  return make("div", "field", set(make("label", "", text, hint && make("span", "optional", ` ${hint}`)), { for: id }), control);
}

export function input(value = "", attributes = {}) {
  const node = set(make("input"), { autocomplete: "off", spellcheck: "false", ...attributes });
  node.value = value;
  return node;
}

/** Returns a field for a list, with one entry on each line. */
export function lines(values, attributes = {}) {
  const node = set(make("textarea", "lines-field"), { spellcheck: "false", autocomplete: "off", rows: Math.min(8, Math.max(1, values.length)), ...attributes });
  node.value = values.join("\n");
  node.addEventListener("input", () => {
    node.rows = Math.min(8, Math.max(1, node.value.split("\n").length));
  });
  return node;
}

export const readLines = (node) => node.value.split("\n").map((line) => line.trim()).filter(Boolean);

export const asList = (value) => (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]).map(String);

/**
 * Returns a part of the form under a heading. Mistakes whose path begins with `path` are shown in it.
 *
 * @param {string} title
 * @param {string} path
 */
export function section(title, path, ...children) {
  const said = mistakeLine();
  const node = make("fieldset", "part", make("legend", "", title), ...children, said);
  node.dataset.path = path;
  return node;
}

/** Shows a mistake in the part that it is about, and moves the focus there. Returns whether there is such a part. */
export function sayAt(root, path, text) {
  const parts = [...root.querySelectorAll("[data-path]")].filter((part) => {
    const own = part.dataset.path;
    return own !== "" && path.startsWith(own) && ["", ".", "["].includes(path.charAt(own.length));
  });
  const part = parts.sort((a, b) => b.dataset.path.length - a.dataset.path.length)[0];
  if (!part) return false;
  mistake(part.querySelector(":scope > .mistake"), text);
  (part.querySelector(`[data-field="${CSS.escape(path)}"]`) ?? part.querySelector("input, select, textarea, button"))?.focus();
  return true;
}

/**
 * Returns rows that can be added, moved and removed.
 *
 * @param {{ noun: string, movable?: boolean, make: (given?: any) => { node: HTMLElement, read: () => any, number?: (at: number) => void }, changed?: () => void }} kind
 */
export function rows({ noun, movable = false, make: build, changed = () => {} }, given) {
  const list = make("ul", "rows");
  const parts = new Map();
  const current = () => [...list.children].map((item) => parts.get(item));
  const renumber = () => {
    current().forEach((part, at) => part.number?.(at));
    changed();
  };
  function add(value) {
    const part = build(value);
    const item = make("li", "row", part.node);
    parts.set(item, part);
    const tools = make("div", "row-tools");
    const move = (by) => () => {
      const other = by < 0 ? item.previousElementSibling : item.nextElementSibling;
      if (!other) return;
      if (by < 0) other.before(item);
      else other.after(item);
      renumber();
      tools.children[by < 0 ? 0 : 1].focus();
    };
    if (movable) {
      tools.append(
        button("remove", "↑", move(-1), { "aria-label": `Move this ${noun} up`, title: "Move up" }),
        button("remove", "↓", move(1), { "aria-label": `Move this ${noun} down`, title: "Move down" }),
      );
    }
    tools.append(
      button("remove", "×", () => {
        const next = item.nextElementSibling ?? item.previousElementSibling;
        item.remove();
        renumber();
        (next?.querySelector("input, select, textarea") ?? more).focus();
      }, { "aria-label": `Remove this ${noun}`, title: "Remove" }),
    );
    item.append(tools);
    list.append(item);
    return item;
  }
  const more = button("quiet", `Add a ${noun}`, () => {
    const item = add();
    renumber();
    item.querySelector("input, select, textarea").focus();
  });
  for (const value of given) add(value);
  current().forEach((part, at) => part.number?.(at));
  return { node: make("div", "rows-field", list, more), read: () => current().map((part) => part.read()), current };
}

const SHARES = "\0shares";

/**
 * Returns the fields for what is served: one variation, or shares in percent by an attribute.
 *
 * @param {() => string[]} names the flag's variations
 */
export function serveField(label, names, serve, by) {
  const select = set(make("select"), { "aria-label": label });
  const shares = make("div", "shares-field");
  const byInput = input(by ?? "", { placeholder: "identifier", "aria-label": `${label}: shares by which attribute` });
  const weights = new Map();
  if (serve !== null && typeof serve === "object") { for (const [name, weight] of Object.entries(serve)) weights.set(name, input(String(weight))); }
  const refresh = () => {
    const known = names();
    const value = select.options.length === 0 ? (weights.size > 0 ? SHARES : String(serve ?? known[0] ?? "")) : select.value;
    const choices = known.map((name) => [name, name]);
    // A variation that is gone or renamed is shown until another one is chosen.
    if (value !== SHARES && value !== "" && !known.includes(value)) choices.unshift([value, `${value} (not defined)`]);
    options(select, [...choices, [SHARES, "Shares in percent…"]], value);
    show();
  };
  const show = () => {
    const chosen = select.value === SHARES;
    shares.hidden = !chosen;
    if (!chosen) return;
    const known = [...new Set([...names(), ...weights.keys()])];
    shares.replaceChildren(
      ...known.map((name) => {
        if (!weights.has(name)) weights.set(name, input(""));
        const field = set(weights.get(name), { inputmode: "numeric", placeholder: "0", "aria-label": `${label}: share of ${name} in percent` });
        return make("label", "share", field, make("span", "word", "% "), make("code", "", name));
      }),
      make("label", "share", make("span", "word", "by "), byInput),
    );
  };
  select.addEventListener("change", show);
  refresh();
  const read = () => {
    if (select.value !== SHARES) return { serve: select.value };
    const result = {};
    for (const [name, field] of weights) {
      const text = field.value.trim();
      if (text === "") continue;
      if (!/^\d{1,3}$/.test(text)) throw wrong(field, "A share is a whole number of percent, from 0 to 100.");
      result[name] = Number(text);
    }
    const by = byInput.value.trim();
    return by === "" ? { serve: result } : { serve: result, by };
  };
  const original = serve === undefined ? undefined : by === undefined ? { serve } : { serve, by };
  return { node: make("div", "serve-field", select, shares), refresh, read: unlessTouched(original, read) };
}

const OPERATORS = [
  ["is", "is"],
  ["in", "is one of"],
  ["is-exactly", "is exactly"],
  ["starts-with", "starts with"],
  ["ends-with", "ends with"],
  ["contains", "contains"],
  ["matches", "matches"],
  ["after", "comes after"],
];
const GROUP = "\0group";

/** Returns the fields of a condition, which `read` gives as `[attribute, value]` of the map under `when`. */
function conditionRow(given) {
  const [attribute, value] = given ?? ["", ""];
  let op = "is";
  let values = value;
  if (given && attribute === "group") op = GROUP;
  else if (Array.isArray(value)) op = "in";
  else if (value !== null && typeof value === "object") [[op, values]] = Object.entries(value);
  const name = input(op === GROUP ? "" : attribute, { placeholder: "plan", "aria-label": "Attribute" });
  const operator = set(make("select"), { "aria-label": "Comparison" });
  options(operator, [...OPERATORS, [GROUP, "is in group"]], op);
  const wanted = lines(asList(values), { placeholder: "gold", "aria-label": "Value, or one on each line" });
  const show = () => {
    name.hidden = operator.value === GROUP;
    wanted.placeholder = operator.value === GROUP ? "staff" : "gold";
  };
  operator.addEventListener("change", show);
  show();
  const read = () => {
    const list = readLines(wanted);
    if (list.length === 0) throw wrong(wanted, "Say which value.");
    if (operator.value === GROUP) return ["group", list.length === 1 ? list[0] : list];
    const attribute = name.value.trim();
    if (attribute === "") throw wrong(name, "Say which attribute.");
    if (attribute === "group") throw wrong(name, "An attribute with this name cannot be compared; choose “is in group” for groups.");
    if (operator.value === "in") return [attribute, list];
    if (list.length > 1) throw wrong(wanted, "This comparison takes one value; choose “is one of” for several.");
    return [attribute, operator.value === "is" ? list[0] : { [operator.value]: list[0] }];
  };
  return { node: make("div", "condition", name, operator, wanted), name, read: unlessTouched(given, read) };
}

/** Returns the fields for the conditions of a rule, which must all hold. */
export function conditions(when = {}) {
  const list = rows({ noun: "condition", make: conditionRow }, Object.entries(when).length > 0 ? Object.entries(when) : [undefined]);
  const read = () => {
    const result = {};
    for (const part of list.current()) {
      const [attribute, value] = part.read();
      if (Object.hasOwn(result, attribute)) throw wrong(part.name, attribute === "group" ? "Put all groups into one condition." : `There are two conditions on ${attribute}; a rule can have one on each attribute.`);
      result[attribute] = value;
    }
    return result;
  };
  return { node: list.node, read };
}
