// The flags of a flags file. What the server would not serve gets no types.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { Mistake, messageOf } from "./mistake.mjs";
import { flagOfConfig } from "./server.mjs";

/** @typedef {import("./declaration.mjs").Flag} Flag */
/** @typedef {Map<string, unknown>} Entries a map of the file, in its order */

const FLAG_KEYS = ["description", "kind", "state", "value", "variations", "default", "by", "off", "requires", "targets", "rules"];
/** What a flag with one value for everybody has no use for. */
const SERVING_KEYS = ["variations", "default", "by", "off", "targets", "rules"];
const KINDS = ["boolean", "int", "string", "json"];
/** A flag that has one of these is in the protocol's own form. */
const FULL_KEYS = ["feature", "offVariation", "defaultServe", "variationToTargetMap", "prerequisites"];

/**
 * @param {string} file
 * @returns {import("./declaration.mjs").Flags}
 */
export function flagsOfFile(file) {
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Mistake(`${file} cannot be read: ${messageOf(error)}`);
  }
  askServer(file);
  try {
    return read(text);
  } catch (error) {
    throw new Mistake(`${file}: ${messageOf(error)}\nNo types were written: the server would refuse this file.`);
  }
}

/**
 * Has the file checked by the server's program, where that is installed: it knows more mistakes than are looked for here.
 *
 * @param {string} file
 */
function askServer(file) {
  const { status, stderr } = spawnSync(process.env["FLAGWIRE_SERVER"] ?? "flagwire-server", ["check", file], { encoding: "utf8" });
  if (status === 1) throw new Mistake(`${stderr.trim()}\nNo types were written: the server refuses this file.`);
}

/** @param {string} text */
function read(text) {
  const file = parse(text, { mapAsMap: true });
  if (!(file instanceof Map)) throw new Error("the file has no `flags`: is it a flags file of flagwire-server?");
  for (const part of file.keys()) if (part !== "flags" && part !== "groups") throw new Error(`unknown key \`${part}\`; the file has two parts, \`flags\` and \`groups\``);
  if (!file.has("flags")) throw new Error("the file has no `flags`: is it a flags file of flagwire-server?");
  const flags = file.get("flags") ?? new Map();
  if (Array.isArray(flags)) {
    return new Map(
      flags.map((config) => {
        if (!(config instanceof Map && config.has("feature"))) throw new Error("a flag in a list needs its name under `feature`");
        return [String(config.get("feature")), flagOfConfig(plain(config))];
      }),
    );
  }
  if (!(flags instanceof Map)) throw new Error("`flags` is a map from name to flag");
  return new Map([...flags].map(([name, flag]) => [checkName(String(name)), flagOf(`flag \`${name}\``, flag)]));
}

/** @param {string} name */
function checkName(name) {
  if (!/^[\w.$@-]+$/.test(name)) throw new Error(`the name \`${name}\` of a flag is not made of letters, digits, \`-\`, \`_\`, \`.\`, \`$\` and \`@\``);
  return name;
}

/**
 * A flag, which in the short form may be as little as a value.
 *
 * @param {string} owner
 * @param {unknown} flag
 * @returns {Flag}
 */
function flagOf(owner, flag) {
  if (flag === null) throw new Error(`${owner} has no value; write \`true\`, say`);
  if (Array.isArray(flag)) throw new Error(`${owner} holds a list; put a JSON value under \`value\`, as in \`{ value: […] }\``);
  if (!(flag instanceof Map)) return ofValues(owner, [flag]);
  if (Array.isArray(flag.get("variations")) || FULL_KEYS.some((key) => flag.has(key))) return flagOfConfig(plain(flag));

  for (const key of flag.keys()) if (!FLAG_KEYS.includes(key)) throw new Error(`unknown key \`${key}\` in ${owner}; it has: ${FLAG_KEYS.join(", ")}`);
  const kind = flag.has("kind") ? checkKind(owner, flag.get("kind")) : undefined;
  if (flag.has("value")) {
    const useless = SERVING_KEYS.find((key) => flag.has(key));
    if (useless) throw new Error(`${owner} has \`value\`, one value for everybody, and so no \`${useless}\``);
    return ofValues(owner, [flag.get("value")], kind);
  }
  const variations = flag.has("variations") ? flag.get("variations") : undefined;
  if (variations !== undefined && !(variations instanceof Map && variations.size > 0)) throw new Error(`the variations of ${owner} are a map from name to value, as in \`small: 4\``);
  if (!variations && kind && kind !== "boolean") throw new Error(`${owner} of kind ${kind} needs its \`variations\`, or \`value\` for a single one`);
  // Without variations it is a boolean that rules or shares decide about.
  const names = variations ? [...variations.keys()].map(String) : ["true", "false"];
  checkDefault(owner, flag, names);
  return variations ? ofValues(owner, [...variations.values()], kind) : ofValues(owner, [true, false]);
}

/** @param {string} owner @param {unknown} given */
function checkKind(owner, given) {
  const kind = String(given).toLowerCase();
  const meant = { bool: "boolean", number: "int" }[kind] ?? kind;
  if (!KINDS.includes(meant)) throw new Error(`unknown kind \`${kind}\` in ${owner}; it is one of: ${KINDS.join(", ")}`);
  return meant;
}

/** @param {string} owner @param {Entries} flag @param {string[]} names of its variations */
function checkDefault(owner, flag, names) {
  const given = flag.get("default");
  if (given === undefined || given === null) throw new Error(`${owner} needs a \`default\`: the variation to serve where no rule matches, one of: ${names.join(", ")}`);
  for (const name of given instanceof Map ? given.keys() : [given]) {
    const text = String(name);
    const meant = names.includes(text) ? text : { on: "true", off: "false" }[text];
    if (!names.includes(meant ?? "")) throw new Error(`${owner} has no variation \`${text}\`; it has: ${names.join(", ")}`);
  }
}

/**
 * The values of a flag, which its kind decides about: `{ value: 5, kind: string }` serves a text.
 *
 * @param {string} owner
 * @param {unknown[]} values
 * @param {string} [given]
 * @returns {Flag}
 */
function ofValues(owner, values, given) {
  const kind = given ?? { boolean: "boolean", number: "int", bigint: "int", string: "string" }[/** @type {string} */ (typeof values[0])] ?? "json";
  const fits = {
    boolean: (/** @type {unknown} */ value) => typeof value === "boolean",
    int: (/** @type {unknown} */ value) => typeof value === "number" && Number.isFinite(value),
    string: (/** @type {unknown} */ value) => value !== null && typeof value !== "object",
    json: () => true,
  }[kind];
  for (const value of values) if (!fits?.(value)) throw new Error(`${owner} is of kind ${kind}, but one of its values is ${JSON.stringify(plain(value))}`);
  return { kind, values: values.map((value) => (kind === "string" ? String(value) : plain(value))), complete: true };
}

/**
 * The same without maps.
 *
 * @param {unknown} value
 * @returns {unknown}
 */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Map ? Object.fromEntries([...value].map(([name, inner]) => [String(name), plain(inner)])) : value;
}
