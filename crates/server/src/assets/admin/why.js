// Explains why a target is served its values: the form, and the answers for one flag or all.

import { button, el, make, mistake, options, plural, set } from "./dom.js";
import { post } from "./server.js";
import { walk } from "./walk.js";
import { code, variation } from "./words.js";

const TYPES = [["text", "text"], ["number", "number"], ["boolean", "true or false"], ["json", "list or JSON"]];

const REASONS = {
  off: "the flag is off",
  prerequisite: "a flag that it requires serves something else",
  targetMap: "an override names it, or a group of it",
  rule: "a rule applies",
  ruleRollout: "of a rule's shares",
  default: "nothing else applies",
  defaultRollout: "of the default's shares",
};

let overview;
/** The last question, which is asked again when flags change. */
let asked;
let asJson = false;

export function start() {
  el("why-add").addEventListener("click", () => attribute().querySelector("input").focus());
  el("why-switch").addEventListener("click", switchForm);
  el("why-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void explain();
  });
  attribute();
}

export function show(given) {
  const other = overview?.environment !== given.environment;
  const changed = overview?.content !== given.content;
  overview = given;
  const names = overview.flags.map((flag) => flag.flag);
  if (changed) el("why-flags").replaceChildren(...names.map((name) => new Option(name, name)));
  if (asked && (changed || other)) void answer(asked, true);
}

/** Puts a flag into the form, and asks at once if the form has a target already. */
export function ask(flag) {
  el("why-flag").value = flag;
  const target = read();
  if (target?.identifier) void explain();
  else (asJson ? el("why-json") : el("why-identifier")).focus();
}

function attribute(name = "", value = "", type = "text") {
  const key = set(make("input"), { autocomplete: "off", spellcheck: "false", placeholder: "plan", "aria-label": "Attribute" });
  const text = set(make("input"), { autocomplete: "off", spellcheck: "false", placeholder: "gold", "aria-label": "Value" });
  const kind = set(make("select"), { "aria-label": "Type of the value" });
  options(kind, TYPES, type);
  key.value = name;
  text.value = value;
  const row = make("li", "attribute-row", key, text, kind);
  row.append(
    button("remove", "×", () => {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      (next?.querySelector("input") ?? el("why-add")).focus();
    }, { "aria-label": "Remove this attribute", title: "Remove" }),
  );
  el("why-attributes").append(row);
  return row;
}

/** Returns an `Error` with the field that it is about. */
const wrong = (field, text) => Object.assign(new Error(text), { field });

/** Returns the target that the form describes; `undefined` if it cannot be read. */
function read() {
  try {
    return target();
  } catch {
    return undefined;
  }
}

function target() {
  if (asJson) {
    const field = el("why-json");
    let json;
    try {
      json = JSON.parse(field.value);
    } catch (error) {
      throw wrong(field, `The target is not valid JSON: ${error.message}`);
    }
    if (json === null || typeof json !== "object" || Array.isArray(json)) throw wrong(field, 'Write the target as an object: { "identifier": "user-42" }.');
    return json;
  }
  const result = { identifier: el("why-identifier").value.trim() };
  const name = el("why-name").value.trim();
  if (name !== "") result.name = name;
  const attributes = {};
  for (const row of el("why-attributes").children) {
    const [key, text] = row.querySelectorAll("input");
    const type = row.querySelector("select").value;
    if (key.value.trim() === "" && text.value === "") continue;
    if (key.value.trim() === "") throw wrong(key, "This value needs the name of its attribute.");
    attributes[key.value.trim()] = typed(text, type);
  }
  if (Object.keys(attributes).length > 0) result.attributes = attributes;
  return result;
}

function typed(field, type) {
  const text = field.value;
  if (type === "text") return text;
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  if (type === "number" && typeof json !== "number") throw wrong(field, `“${text}” is no number; write one, or choose another type.`);
  if (type === "boolean" && typeof json !== "boolean") throw wrong(field, `“${text}” is neither true nor false; write one of them, or choose another type.`);
  if (json === undefined) throw wrong(field, `“${text}” is not valid JSON; write a list as ["a", "b"], or choose another type.`);
  return json;
}

/** Switches the form from rows to JSON or back, with all that was typed. If the text cannot be converted, the form stays as it is and says why. */
function switchForm() {
  try {
    const now = target();
    if (asJson) toRows(now);
    else el("why-json").value = JSON.stringify(now, null, 2);
    asJson = !asJson;
    complain();
  } catch (error) {
    complain(error);
    return;
  }
  el("why-fields").hidden = asJson;
  el("why-json-field").hidden = !asJson;
  set(el("why-switch"), { "aria-pressed": String(asJson) });
}

function toRows({ identifier = "", name = "", attributes = {}, ...rest }) {
  const more = Object.keys(rest).filter((key) => key !== "anonymous");
  if (more.length > 0) throw wrong(el("why-json"), `“${more[0]}” has no place in the form: a target has an identifier, a name and attributes.`);
  if (attributes === null || typeof attributes !== "object" || Array.isArray(attributes)) throw wrong(el("why-json"), "Attributes are an object, from name to value.");
  el("why-identifier").value = String(identifier);
  el("why-name").value = name ?? "";
  el("why-attributes").replaceChildren();
  for (const [key, value] of Object.entries(attributes)) {
    const type = typeof value === "string" ? "text" : ["number", "boolean"].includes(typeof value) ? typeof value : "json";
    attribute(key, type === "text" ? value : JSON.stringify(value), type);
  }
  if (Object.keys(attributes).length === 0) attribute();
}

/** Shows below the form what is wrong, and marks the field. */
function complain(error) {
  for (const field of el("why-form").querySelectorAll("[aria-invalid]")) set(field, { "aria-invalid": null, "aria-describedby": null });
  mistake(el("why-mistake"), error?.message ?? "");
  if (error?.field) {
    set(error.field, { "aria-invalid": "true", "aria-describedby": "why-mistake" });
    error.field.focus();
  }
}

async function explain() {
  try {
    const given = target();
    if (given.identifier === undefined || given.identifier === "") {
      throw wrong(asJson ? el("why-json") : el("why-identifier"), "Say which target: its identifier, as the app sends it.");
    }
    const flag = el("why-flag").value.trim();
    asked = { target: given, ...(flag === "" ? {} : { flag }) };
    complain();
  } catch (error) {
    complain(error);
    return;
  }
  await answer(asked);
}

/** Shows the answer. With `unasked`, because flags have changed, the focus stays where it is. */
async function answer(request, unasked = false) {
  try {
    const reply = await post("/admin/explain", request);
    if (request !== asked) return;
    complain();
    results(reply.flags, request);
  } catch (error) {
    complain(error.status === 404 && !unasked ? wrong(el("why-flag"), error.message) : error);
  }
}

function results(list, request) {
  const who = String(request.target.identifier);
  el("why-summary").replaceChildren(code(who), list.length === 1 ? " gets this:" : ` gets this of ${plural(list.length, "flag")}:`);
  const open = new Set([...el("why-results").querySelectorAll('[aria-expanded="true"]')].map((node) => node.dataset.flag));
  const focused = document.activeElement?.dataset.flag;
  el("why-results").classList.toggle("many", list.length > 60);
  el("why-results").replaceChildren(...list.map((told) => result(told, request, list.length === 1 || open.has(told.flag))));
  if (focused) [...el("why-results").querySelectorAll("button")].find((node) => node.dataset.flag === focused)?.focus();
}

function result(told, request, opened) {
  const flag = overview.flags.find((one) => one.flag === told.flag);
  const body = set(make("div", "walk"), { hidden: true });
  const open = set(button("open", "", () => expand(open.getAttribute("aria-expanded") !== "true")), { "aria-expanded": "false" });
  open.dataset.flag = told.flag;
  open.append(set(make("span", "chevron"), { "aria-hidden": "true" }), make("span", "flag-name", told.flag));
  const outcome = told.served
    ? make("p", "outcome", variation(told.served.evaluation.identifier, flag), " ", code(told.served.evaluation.value), make("span", "reason", `because ${REASONS[told.served.reason] ?? told.served.reason}`))
    : make("p", "outcome bad", `Cannot be evaluated: ${told.failed.message ?? told.failed.code}. The app's default applies.`);
  async function expand(wanted) {
    set(open, { "aria-expanded": String(wanted) });
    body.hidden = !wanted;
    if (!wanted || body.hasChildNodes()) return;
    try {
      const whole = told.steps.length > 0 ? told : (await post("/admin/explain", { ...request, flag: told.flag })).flags[0];
      body.replaceChildren(walk(whole, flag, overview.flags, String(request.target.identifier)));
    } catch (error) {
      body.replaceChildren(make("p", "mistake", error.message));
    }
  }
  if (opened) void expand(true);
  return make("li", "card result", make("h2", "name", open), outcome, body);
}
