// Writes flags as the text of a `.d.ts` file.

/**
 * @typedef {object} Flag
 * @property {string} kind `boolean`, `int`, `string` or `json`
 * @property {unknown[]} values the values of its variations, as JavaScript values
 * @property {boolean} complete whether these are all possible values
 *
 * @typedef {Map<string, Flag>} Flags by name
 */

/** The length in characters from which a type is written on several lines. */
const WIDTH = 120;
const HEAD = "interface Flags {";

/**
 * @param {Flags} flags
 * @param {string} origin
 */
export function declaration(flags, origin) {
  const lines = [...flags].sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, flag]) => `    ${JSON.stringify(name)}: ${typeOf(flag)};\n`);
  return `/* eslint-disable */
// Written by \`npx flagwire types\` from ${origin}. Run the command again when flags are added or changed.

// prettier-ignore
declare module "flagwire" {
  ${HEAD}
${lines.join("")}  }
}

export {};
`;
}

/**
 * Compares a file that was written before with the present flags.
 *
 * @param {string | undefined} before
 * @param {string} now
 * @returns {string | undefined} the rest of a sentence about the file; nothing if there is no difference
 */
export function differences(before, now) {
  if (before === undefined) return "does not exist";
  const [old, current] = [typesIn(before), typesIn(now)];
  const missing = [...current.keys()].filter((name) => !old.has(name));
  const gone = [...old.keys()].filter((name) => !current.has(name));
  const other = [...current.keys()].filter((name) => old.has(name) && old.get(name) !== current.get(name));
  const parts = [missing.length && `lacks ${list(missing)}`, gone.length && `still has ${list(gone)}`, other.length && `has another type for ${list(other)}`].filter(Boolean);
  return parts.length ? `is out of date: it ${parts.join(", and ")}` : undefined;
}

/** @param {string[]} names */
function list(names) {
  return names.length > 5 ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} more` : names.join(", ");
}

/**
 * Reads the types by flag from a text that {@link declaration} wrote, even if a formatter has changed its lines since.
 *
 * @param {string} text
 */
function typesIn(text) {
  /** @type {Map<string, string>} */
  const types = new Map();
  const head = text.indexOf(HEAD);
  if (head < 0) return types;
  // String literals are skipped as a whole, because they may contain any character.
  const tokens = text.slice(head + HEAD.length).match(/"(?:[^"\\]|\\.)*"|[\w$]+|[^\s\w$"]/g) ?? [];
  /** @type {string[]} */
  let entry = [];
  let depth = 0;
  for (const token of tokens) {
    if ("{[(".includes(token)) depth++;
    if ("}])".includes(token) && --depth < 0) break;
    if (depth > 0 || token !== ";") entry.push(token);
    else {
      const [name = "", , ...type] = entry;
      types.set(name.startsWith('"') ? JSON.parse(name) : name, type.join(" "));
      entry = [];
    }
  }
  return types;
}

/** @param {Flag} flag */
function typeOf({ kind, values, complete }) {
  switch (kind) {
    case "boolean":
      return "boolean";
    case "int":
      return "number";
    case "string": {
      // If all values are known, the type lists them, so that a comparison with another text is an error. A single value will
      // probably get company, so it becomes `string`.
      const texts = [...new Set(values)].map((value) => JSON.stringify(value));
      return complete && texts.length > 1 ? broken(texts.join(" | "), () => texts.map((text) => `\n      | ${text}`).join("")) : "string";
    }
    default: {
      const shape = complete ? shapeOf(values, "") : "unknown";
      // An object or list that is always empty says nothing about its shape; with `unknown` the default decides.
      if (shape === "object" || shape === "unknown[]") return "unknown";
      return broken(shape, () => shapeOf(values, "    "));
    }
  }
}

/** @param {string} short @param {() => string} long */
function broken(short, long) {
  return short.length > WIDTH ? long() : short;
}

/**
 * Returns the type of several JSON values. Objects become one type, in which keys that only some have are optional; so do lists.
 *
 * @param {unknown[]} values
 * @param {string} indent of the line it starts on; the empty text writes all on one line
 * @returns {string}
 */
function shapeOf(values, indent) {
  return alternatives(values, indent).join(" | ");
}

/** @param {unknown[]} values @param {string} indent */
function alternatives(values, indent) {
  /** @type {Set<string>} */
  const types = new Set();
  const objects = /** @type {Record<string, unknown>[]} */ (values.filter((value) => typeof value === "object" && value !== null && !Array.isArray(value)));
  const lists = /** @type {unknown[][]} */ (values.filter(Array.isArray));
  if (objects.length) types.add(objectOf(objects, indent));
  if (lists.length) types.add(listOf(lists.flat(), indent));
  for (const value of values) if (value === null || typeof value !== "object") types.add(value === null ? "null" : typeof value);
  return [...types];
}

/** @param {Record<string, unknown>[]} objects @param {string} indent */
function objectOf(objects, indent) {
  /** @type {Map<string, unknown[]>} */
  const fields = new Map();
  for (const object of objects) for (const [name, value] of Object.entries(object)) fields.set(name, [...(fields.get(name) ?? []), value]);
  if (!fields.size) return "object";
  const inner = indent && `${indent}  `;
  const members = [...fields].map(([name, values]) => `${key(name)}${values.length < objects.length ? "?" : ""}: ${shapeOf(values, inner)};`);
  return indent ? `{\n${members.map((member) => `${inner}${member}\n`).join("")}${indent}}` : `{ ${members.join(" ").slice(0, -1)} }`;
}

/** @param {unknown[]} elements @param {string} indent */
function listOf(elements, indent) {
  const types = elements.length ? alternatives(elements, indent) : ["unknown"];
  return types.length > 1 ? `(${types.join(" | ")})[]` : `${types[0]}[]`;
}

/** @param {string} name */
function key(name) {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}
