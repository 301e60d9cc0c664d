// The dialog in which flags and groups are added, edited and deleted. What is typed stays there until it is saved or given up: an
// update of the page does not touch it, and neither does a save that is refused.

import { button, el, make, mistake, mistakeLine, options, plural, set, toast } from "./dom.js";
import { input, labelled, sayAt } from "./fields.js";
import { STARTS, fits, flagForm, groupForm } from "./form.js";
import { get, put, remove } from "./server.js";

const KINDS = [["boolean", "On or off"], ["string", "Texts"], ["number", "Numbers"], ["json", "JSON values"]];

const pathOf = ({ kind, name }) => `/admin/${kind}s/${encodeURIComponent(name)}`;

/** The overview, which has the flags that a form can name. */
let overview = { flags: [], groups: [] };

export function show(given) {
  overview = given;
  el("new-flag").hidden = !given.editable;
  el("new-group").hidden = !given.editable;
}

export function start() {
  el("new-flag").addEventListener("click", () => open({ kind: "flag" }));
  el("new-group").addEventListener("click", () => open({ kind: "group" }));
}

/** Opens the definition of a flag or group, as the file has it now. */
export async function edit(kind, name, said) {
  mistake(said, "");
  try {
    const found = await get(`${pathOf({ kind, name })}/definition`);
    open({ kind, name, ...found });
  } catch (error) {
    mistake(said, error.message);
  }
}

/** Opens a modal dialog, which is removed when it is closed. The focus then goes back to where it was. */
function dialog(title, className) {
  const node = set(make("dialog", `dialog ${className}`), { "aria-labelledby": "dialog-title" });
  const heading = set(make("h2", "", title), { id: "dialog-title" });
  node.append(heading);
  const before = document.activeElement;
  node.addEventListener("close", () => {
    node.remove();
    if (before?.isConnected) before.focus();
    else el("content").focus();
  });
  document.body.append(node);
  return node;
}

function open({ kind, name, definition, revision = null, form = "short" }) {
  const isNew = name === undefined;
  const node = dialog(isNew ? `New ${kind}` : `Edit ${kind} ${name}`, "editor");
  const body = set(make("form", "editor-form"), { novalidate: true });
  const nameField = isNew ? input("", { placeholder: kind === "flag" ? "new-checkout" : "beta-testers", required: true }) : null;
  const kindField = isNew && kind === "flag" ? make("select") : null;
  const place = make("div");
  const text = set(make("textarea"), { rows: 16, spellcheck: "false", autocomplete: "off" });
  const textField = labelled("Definition as JSON", text, "all that the file can hold");
  const note = make("p", "word");
  const said = mistakeLine();
  const conflict = set(make("div", "notice"), { hidden: true });
  const leave = set(make("div", "notice leave"), { hidden: true, role: "alert" });
  let current;
  let asText = false;
  let clean;

  function build(given) {
    const around = { flags: overview.flags, name, replace: (next) => build(next) };
    current = kind === "flag" ? flagForm(given, around) : groupForm(given);
    place.replaceChildren(current.node);
  }

  /** Shows the form or the text. Throws where the one cannot become the other. */
  function switchTo(wanted) {
    if (wanted) text.value = JSON.stringify(current.read(), null, 2);
    else {
      const parsed = parse();
      if (!fits(kind, parsed)) throw Object.assign(new Error("The form cannot show this definition; edit it as JSON."), { field: text });
      build(parsed);
    }
    apply(wanted);
  }
  function apply(wanted) {
    asText = wanted;
    textField.hidden = !wanted;
    place.hidden = wanted;
    set(toggle, { "aria-pressed": String(wanted) });
  }
  function parse() {
    try {
      return JSON.parse(text.value);
    } catch (error) {
      throw Object.assign(new Error(`This is not valid JSON: ${error.message}`), { field: text });
    }
  }
  const read = () => (asText ? parse() : current.read());
  const toggle = button("quiet", "Edit as JSON", () => {
    clear();
    try {
      switchTo(!asText);
      (asText ? text : place.querySelector("input, select, textarea"))?.focus();
    } catch (error) {
      say(error);
    }
  }, { "aria-pressed": "false" });

  function clear() {
    for (const one of node.querySelectorAll(".mistake")) mistake(one, "");
    for (const one of node.querySelectorAll("[aria-invalid]")) set(one, { "aria-invalid": null });
    conflict.hidden = true;
  }

  /** Shows a mistake at the field that it is about, or else at the foot of the dialog. */
  function say(error) {
    if (error.field) {
      set(error.field, { "aria-invalid": "true" });
      const near = error.field.closest(".part")?.querySelector(":scope > .mistake") ?? said;
      mistake(near, error.message);
      error.field.focus();
      return;
    }
    const mistakes = error.mistakes ?? [];
    const rest = mistakes.filter((one) => asText || !sayAt(place, one.path, one.message));
    if (mistakes.length === 0) mistake(said, error.message);
    else if (rest.length > 0) mistake(said, rest.map((one) => (one.path ? `${one.path}: ${one.message}` : one.message)).join("\n"));
  }

  /** Another user has saved first: shows the definition as it is now beside the one that was typed. */
  async function compare(error) {
    mistake(said, error.message);
    if (error.status !== 409 || isNew) return;
    const now = await get(`${pathOf({ kind, name })}/definition`).catch(() => undefined);
    if (now === undefined || now.revision === revision) return;
    conflict.replaceChildren(
      make("p", "", make("strong", "", "This is its definition now:")),
      make("pre", "", JSON.stringify(now.definition, null, 2)),
      make(
        "div",
        "actions",
        button("quiet", "Save mine over it", () => {
          revision = now.revision;
          void save();
        }),
        button("quiet", "Take theirs and drop mine", () => {
          revision = now.revision;
          clear();
          begin(now.definition, now.form);
        }),
      ),
    );
    conflict.hidden = false;
  }

  async function save() {
    clear();
    let wanted;
    try {
      if (isNew) {
        name = nameField.value.trim();
        if (name === "") throw Object.assign(new Error(`A ${kind} needs a name.`), { field: nameField });
      }
      wanted = read();
    } catch (error) {
      say(error);
      return;
    }
    set(node, { "aria-busy": "true" });
    submit.disabled = true;
    try {
      await put(pathOf({ kind, name }), { definition: wanted, revision });
      node.close();
      toast(isNew ? `${name} is there.` : `${name} is saved.`);
    } catch (error) {
      if (error.status === 400) say(error);
      else await compare(error);
    } finally {
      set(node, { "aria-busy": null });
      submit.disabled = false;
    }
  }

  const snapshot = () => JSON.stringify([...node.querySelectorAll("input, select, textarea")].map((field) => field.value));

  function begin(given, writtenAs) {
    const shows = writtenAs === "short" && fits(kind, given);
    note.textContent = shows ? "" : "The file has this in a form that is edited as JSON.";
    if (shows) build(given);
    else text.value = JSON.stringify(given, null, 2);
    apply(!shows);
    toggle.hidden = !shows;
    clean = snapshot();
  }

  function close() {
    if (snapshot() === clean) {
      node.close();
      return;
    }
    leave.hidden = false;
    leave.querySelector("button").focus();
  }
  leave.append(
    make("p", "", "What you have changed here is not saved."),
    make(
      "div",
      "actions",
      button("quiet", "Go on editing", () => {
        leave.hidden = true;
        place.querySelector("input, select, textarea")?.focus();
      }),
      button("quiet danger", "Drop it", () => node.close()),
    ),
  );
  // Browsers let a page prevent only the first of several cancellations, so the key event is prevented as well.
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    close();
  });
  node.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });

  const submit = set(make("button", "primary", isNew ? `Add ${kind}` : "Save"), { type: "submit" });
  if (nameField) body.append(labelled("Name", nameField, "letters, digits, - _ . $ @"));
  if (kindField) {
    options(kindField, KINDS, "boolean");
    kindField.addEventListener("change", () => begin(STARTS[kindField.value], "short"));
    body.append(labelled("Kind", kindField));
  }
  body.append(note, place, textField, conflict, said, leave, make("div", "actions foot", submit, button("quiet", "Cancel", close), toggle));
  body.addEventListener("submit", (event) => {
    event.preventDefault();
    void save();
  });
  node.append(body);
  begin(isNew ? (kind === "flag" ? STARTS.boolean : { include: [] }) : definition, form);
  node.showModal();
  (nameField ?? body.querySelector("textarea:not([hidden]), input, select"))?.focus();
}

/** Asks before a flag or group is deleted, and names what is lost. */
export function askToDelete(kind, name, lost) {
  const node = dialog(`Delete ${kind} ${name}?`, "question");
  const said = mistakeLine();
  const yes = button("primary danger", `Delete ${kind}`, async () => {
    mistake(said, "");
    yes.disabled = true;
    try {
      await remove(pathOf({ kind, name }));
      node.close();
      toast(`${name} is deleted.`);
    } catch (error) {
      mistake(said, error.message);
      yes.disabled = false;
    }
  });
  const no = button("quiet", "Keep it", () => node.close());
  node.append(...lost.map((text) => make("p", "", text)), said, make("div", "actions foot", no, yes));
  node.showModal();
  no.focus();
}

/** Returns what is lost with a flag, in sentences. */
export function lostWith(flag) {
  const targets = flag.overrides.reduce((sum, one) => sum + one.targets.total + one.groups.length, 0);
  const parts = [
    plural(flag.variations.length, "variation"),
    flag.rules.length > 0 && plural(flag.rules.length, "rule"),
    targets > 0 && plural(targets, "target override"),
    flag.requires.length > 0 && plural(flag.requires.length, "requirement"),
  ].filter(Boolean);
  return [`Its definition goes from the flags file, with ${parts.join(", ")} and the comments directly above it.`, "Apps that still read it get the default value in their own code."];
}

export function lostWithGroup(group) {
  const parts = [plural(group.included.total, "member"), plural(group.excluded.total, "excluded target"), plural(group.rules.length, "rule")];
  return [`Its definition goes from the flags file, with ${parts.join(", ")} and the comments directly above it.`];
}
