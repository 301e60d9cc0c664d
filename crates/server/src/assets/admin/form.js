// Builds the forms for the definition of a flag and of a group. Keys that a form does not know stay as they are.

import { button, make, mistakeLine, options, set } from "./dom.js";
import { asList, conditions, input, labelled, lines, readLines, rows, section, serveField, unlessTouched, wrong } from "./fields.js";

const isMap = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** Returns whether the form can show this definition. The full form, and definitions written in an unusual way, are edited as text. */
export function fits(kind, definition) {
  if (kind === "group") return isMap(definition) && maps(definition.rules ?? []);
  if (!isMap(definition)) return definition !== null && !Array.isArray(definition);
  const { variations, targets, rules = [], requires } = definition;
  return [variations, targets, requires].every((part) => part === undefined || isMap(part)) && maps(rules) && rules.every((rule) => isMap(rule.when) && plain(rule.when));
}

const maps = (list) => Array.isArray(list) && list.every((one) => isMap(one));
const plain = (when) => Object.values(when).every((value) => !isMap(value) || Object.keys(value).length === 1);

/** Sets a key to the value, or removes the key if there is no value. */
function put(definition, key, value, empty) {
  if (empty) delete definition[key];
  else definition[key] = value;
}

const isEmpty = (value) => value === undefined || value === "" || (typeof value === "object" && Object.keys(value).length === 0);

function about(definition) {
  const description = set(make("textarea"), { rows: 2, spellcheck: "true" });
  description.value = definition.description ?? "";
  return {
    node: labelled("Description", description, "optional"),
    read: unlessTouched(definition.description, () => description.value.trim()),
  };
}

/** Returns the value of a variation: as it is if the flag holds texts, else as JSON. */
function valueOf(field, kind) {
  if (kind === "string") return field.value;
  try {
    return JSON.parse(field.value);
  } catch {
    throw wrong(field, kind === "int" ? "Write a number." : kind === "boolean" ? "Write true or false." : "Write a value as JSON, with texts in quotes.");
  }
}

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function kindOf(definition, sample) {
  if (definition.kind !== undefined) return { bool: "boolean", number: "int" }[definition.kind] ?? String(definition.kind);
  return { boolean: "boolean", number: "int", string: "string" }[typeof sample] ?? "json";
}

/**
 * @param {any} given the definition as the file has it
 * @param {{ flags: { flag: string, variations: { identifier: string }[] }[], name: string, replace: (definition: any) => void }} around
 */
export function flagForm(given, around) {
  const definition = isMap(given) ? { ...given } : typeof given === "boolean" ? { default: given } : { value: given };
  if (typeof definition.value === "boolean") {
    definition.default = definition.value;
    delete definition.value;
  }
  if ("value" in definition) return valueForm(definition, around);
  const text = about(definition);
  const refreshed = [];
  let names = () => ["true", "false"];
  let variations;
  const kind = kindOf(definition, Object.values(definition.variations ?? { true: true })[0]);
  if (definition.variations) {
    variations = rows(
      {
        noun: "variation",
        movable: true,
        changed: () => refresh(),
        make: ([identifier, value] = ["", ""]) => {
          const name = input(identifier, { placeholder: "name", "aria-label": "Name of the variation" });
          const field = set(make("textarea", "lines-field"), { rows: Math.min(6, shown(value).split("\n").length), spellcheck: "false", "aria-label": "Value of the variation" });
          field.value = kind === "string" ? String(value) : value === "" ? "" : JSON.stringify(value);
          name.addEventListener("input", () => refresh());
          const read = unlessTouched(identifier === "" ? undefined : [identifier, value], () => {
            if (name.value.trim() === "") throw wrong(name, "A variation needs a name.");
            return [name.value.trim(), valueOf(field, kind)];
          });
          return { node: make("div", "pair-row", name, field), name, read };
        },
      },
      Object.entries(definition.variations),
    );
    names = () => variations.current().map((part) => part.name.value.trim()).filter(Boolean);
  }
  const refresh = () => refreshed.forEach((one) => one());
  const serving = (...args) => {
    const field = serveField(...args);
    refreshed.push(field.refresh);
    return field;
  };
  const chooser = (label, value) => {
    const select = set(make("select"), { "aria-label": label });
    const update = () => {
      const known = names();
      const chosen = select.options.length === 0 ? value : select.value;
      options(select, [...(chosen && !known.includes(chosen) ? [chosen] : []), ...known].map((name) => [name, name]), chosen);
    };
    update();
    refreshed.push(update);
    return select;
  };

  const otherwise = serving("Default", () => names(), definition.default, definition.by);
  const off = set(make("select"), {});
  const offField = labelled("Everybody gets", off);
  const usual = "\0usual";
  const updateOff = () => {
    const chosen = off.options.length === 0 ? (definition.off === undefined ? usual : String(definition.off)) : off.value;
    const known = names();
    options(off, [[usual, kind === "boolean" ? "false (as usual)" : "the default (as usual)"], ...(chosen !== usual && !known.includes(chosen) ? [chosen] : []).concat(known).map((name) => [name, name])], chosen);
  };
  updateOff();
  refreshed.push(updateOff);

  const targets = rows(
    {
      noun: "target list",
      make: ([variation, users] = ["", []]) => {
        const select = chooser("Variation for these targets", variation === "" ? names()[0] : variation);
        const list = lines(asList(users), { placeholder: "user-42", "aria-label": "Targets, one on each line" });
        const read = unlessTouched(variation === "" ? undefined : [variation, users], () => {
          const named = readLines(list);
          if (named.length === 0) throw wrong(list, "Name at least one target, or remove this row.");
          return [select.value, named];
        });
        return { node: make("div", "pair-row", select, list), field: list, read };
      },
    },
    Object.entries(definition.targets ?? {}),
  );

  const rules = rows(
    {
      noun: "rule",
      movable: true,
      make: (rule) => {
        const name = input(rule?.name ?? "", { placeholder: "optional" });
        const when = conditions(rule?.when);
        const serve = serving("Rule serves", () => names(), rule?.serve, rule?.by);
        const ifPart = section("If all of these hold", "", when.node);
        const thenPart = section("Serve", "", serve.node);
        const node = make("div", "rule-form", labelled("Name of the rule", name), ifPart, thenPart);
        const said = mistakeLine();
        node.append(said);
        const read = unlessTouched(rule, () => {
          const served = serve.read();
          const { name: _name, when: _when, serve: _serve, by: _by, ...rest } = rule ?? {};
          const result = { ...rest };
          const called = name.value.trim();
          return { ...(called === "" ? {} : { name: rule?.name !== undefined && String(rule.name) === called ? rule.name : called }), when: when.read(), ...served, ...result };
        });
        const number = (at) => {
          node.dataset.path = `rules[${at}]`;
          ifPart.dataset.path = `rules[${at}].when`;
          thenPart.dataset.path = `rules[${at}].serve`;
          set(node, { role: "group", "aria-label": `Rule ${at + 1}` });
        };
        return { node, read, number };
      },
    },
    definition.rules ?? [],
  );

  const others = around.flags.filter((flag) => flag.flag !== around.name);
  const requires = rows(
    {
      noun: "requirement",
      make: ([flag, served] = ["", []]) => {
        const name = set(make("select"), { "aria-label": "Flag that is required" });
        options(name, [...(flag !== "" && !others.some((one) => one.flag === flag) ? [[flag, flag]] : []), ...others.map((one) => [one.flag, one.flag])], flag || others[0]?.flag);
        const list = lines(asList(served), { placeholder: "true", "aria-label": "Variations that it must serve, one on each line" });
        const read = unlessTouched(flag === "" ? undefined : [flag, served], () => {
          const wanted = readLines(list);
          if (wanted.length === 0) throw wrong(list, "Say which variation it must serve.");
          return [name.value, wanted.length === 1 ? wanted[0] : wanted];
        });
        return { node: make("div", "pair-row", name, list), field: list, read };
      },
    },
    Object.entries(definition.requires ?? {}),
  );

  const entries = (list, what) => {
    const result = {};
    for (const part of list.current()) {
      const [key, value] = part.read();
      if (Object.hasOwn(result, key)) throw wrong(part.name ?? part.field, `${key} is there twice; ${what}.`);
      result[key] = value;
    }
    return result;
  };
  const node = make(
    "div",
    "definition-form",
    text.node,
    variations ? section("Variations", "variations", variations.node) : make("p", "word", "An on/off flag, with the variations true and false."),
    section("Default", "default", otherwise.node),
    section("While off", "off", offField),
    section("Requires", "requires", others.length > 0 ? requires.node : make("p", "word", "There is no other flag.")),
    section("Target overrides", "targets", targets.node),
    section("Rules, tried from top to bottom", "rules", rules.node),
  );
  return {
    node,
    read() {
      const result = { ...definition };
      const served = otherwise.read();
      put(result, "description", text.read(), isEmpty(text.read()));
      if (variations) result.variations = entries(variations, "give each variation its own name");
      result.default = served.serve;
      put(result, "by", served.by, served.by === undefined);
      put(result, "off", String(definition.off) === off.value ? definition.off : off.value, off.value === usual);
      for (const [key, value] of [["requires", entries(requires, "put all its variations into one row")], ["targets", entries(targets, "put all its targets into one row")], ["rules", rules.read()]]) put(result, key, value, isEmpty(value));
      return result;
    },
  };
}

/** Returns the form of a flag that has one value for everybody. */
function valueForm(definition, around) {
  const text = about(definition);
  const kind = kindOf(definition, definition.value);
  const field = set(make("textarea"), { rows: 3, spellcheck: "false" });
  field.value = kind === "string" ? String(definition.value) : JSON.stringify(definition.value);
  const read = () => {
    const result = { ...definition, value: valueOf(field, kind) };
    put(result, "description", text.read(), isEmpty(text.read()));
    return result;
  };
  const more = button("quiet", "Give it several variations", () => {
    const { value, ...rest } = read();
    around.replace({ ...rest, variations: { default: value }, default: "default" });
  });
  return { node: make("div", "definition-form", text.node, section("The value that everybody gets", "value", labelled("Value", field, kind === "string" ? undefined : "as JSON")), make("p", "", more)), read };
}

/** Returns the definition with which a new flag of this kind starts. */
export const STARTS = {
  boolean: { default: false },
  string: { variations: { first: "one text", second: "another" }, default: "first" },
  number: { variations: { small: 1, large: 10 }, default: "small" },
  json: { variations: { none: {}, some: { text: "Hello" } }, default: "none" },
};

export function groupForm(definition) {
  const name = input(definition.name ?? "", { placeholder: "optional" });
  const include = lines(asList(definition.include), { placeholder: "user-42" });
  const exclude = lines(asList(definition.exclude), { placeholder: "user-43" });
  const readInclude = unlessTouched(definition.include, () => readLines(include));
  const readExclude = unlessTouched(definition.exclude, () => readLines(exclude));
  const rules = rows(
    {
      noun: "rule",
      movable: true,
      make: (when) => {
        const list = conditions(when);
        const node = section("Whoever meets all of these", "", list.node);
        const number = (at) => {
          node.dataset.path = `rules[${at}]`;
        };
        return { node, read: unlessTouched(when, list.read), number };
      },
    },
    definition.rules ?? [],
  );
  const node = make(
    "div",
    "definition-form",
    labelled("Name to show", name, "optional"),
    section("Always members", "include", labelled("Targets", include, "one on each line")),
    section("Never members", "exclude", labelled("Targets", exclude, "one on each line")),
    section("Rules, of which one is enough", "rules", rules.node),
  );
  return {
    node,
    read() {
      const result = { ...definition };
      const called = name.value.trim();
      put(result, "name", definition.name !== undefined && String(definition.name) === called ? definition.name : called, called === "");
      for (const [key, value] of [["include", readInclude()], ["exclude", readExclude()], ["rules", rules.read()]]) put(result, key, value, isEmpty(value));
      return result;
    },
  };
}
