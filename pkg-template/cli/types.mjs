// Flags, from a file or a server, as types.

import { parse } from "yaml";

/** @typedef {Map<string, unknown[]>} Flags the values that each flag may have, as far as is known; none for any value of the kind */

/**
 * The flags of a flags file: in the short form, where a flag may be as little as a value, or in the protocol's.
 *
 * @param {string} text
 * @returns {Flags}
 */
export function flagsOfFile(text) {
  const file = parse(text);
  const flags = record(file)?.["flags"];
  if (Array.isArray(flags)) return new Map(flags.map((config) => [String(record(config)?.["feature"]), valuesOfConfig(config)]));
  const entries = record(flags);
  if (!entries) throw new Error("The file has no `flags`: is it a flags file of flagwire-server?");
  return new Map(Object.entries(entries).map(([name, flag]) => [name, valuesOf(flag)]));
}

/**
 * The flags of an environment.
 *
 * @param {string} baseUrl
 * @param {string} apiKey
 * @returns {Promise<Flags>}
 */
export async function flagsOfServer(baseUrl, apiKey) {
  const base = baseUrl.replace(/\/+$/, "");
  const target = { identifier: "flagwire-types", anonymous: true };
  const { authToken } = await ask(`${base}/client/auth`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ apiKey, target }) });
  const claims = JSON.parse(Buffer.from(String(authToken).split(".")[1] ?? "", "base64url").toString());
  const headers = { Authorization: `Bearer ${authToken}` };
  const cluster = `?cluster=${encodeURIComponent(claims.clusterIdentifier ?? "1")}`;
  const environment = `${base}/client/env/${encodeURIComponent(claims.environment)}`;
  if (claims.key_type === "Server") {
    const configs = await ask(`${environment}/feature-configs${cluster}`, { headers });
    return new Map(configs.map((/** @type {Record<string, unknown>} */ config) => [String(config["feature"]), valuesOfConfig(config)]));
  }
  const list = await ask(`${environment}/target/${target.identifier}/evaluations${cluster}`, { headers });
  // One value says what kind it is, and no more.
  return new Map(list.map((/** @type {Record<string, string>} */ { flag, kind, value }) => [flag, [valueOf(kind, value), undefined]]));
}

/**
 * The text of the `.d.ts`.
 *
 * @param {Flags} flags
 * @param {string} origin
 */
export function declaration(flags, origin) {
  const lines = [...flags].sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, values]) => `    ${JSON.stringify(name)}: ${typeOf(values)};`);
  return `// Written by \`npx flagwire types\` from ${origin}. Write it anew when flags are added.

import type { Json } from "flagwire";

declare module "flagwire" {
  interface Flags {
${lines.join("\n")}
  }
}

export type { Json };
`;
}

/** @param {unknown} flag */
function valuesOf(flag) {
  const spelled = record(flag);
  if (!spelled) return [flag];
  if (Array.isArray(spelled["variations"])) return valuesOfConfig(flag);
  if ("value" in spelled) return [spelled["value"]];
  const variations = record(spelled["variations"]);
  // Without variations it is a boolean that rules or shares decide about.
  return variations ? Object.values(variations) : [true, false];
}

/** @param {unknown} config a flag as the protocol has it */
function valuesOfConfig(config) {
  const { kind, variations } = record(config) ?? {};
  return Array.isArray(variations) ? variations.map((variation) => valueOf(String(kind), String(record(variation)?.["value"]))) : [undefined];
}

/** @param {string} kind @param {string} value */
function valueOf(kind, value) {
  switch (kind.toLowerCase()) {
    case "boolean":
      return value.toLowerCase() === "true";
    case "int":
    case "number":
      return Number(value);
    case "json":
      try {
        return JSON.parse(value);
      } catch {
        return value;
      }
    default:
      return value;
  }
}

/**
 * Texts are told one by one, where all are known: a comparison with another one is a mistake. Numbers and JSON are not.
 *
 * @param {unknown[]} values
 */
function typeOf(values) {
  const known = values.filter((value) => value !== undefined);
  const kinds = new Set(known.map((value) => (value === null ? "object" : typeof value)));
  if (kinds.size !== 1 || kinds.has("object")) return "Json";
  if (!kinds.has("string") || known.length !== values.length || known.length < 2) return [...kinds].join();
  return [...new Set(known)].map((value) => JSON.stringify(value)).join(" | ");
}

/** @param {string} url @param {RequestInit} init */
async function ask(url, init) {
  let response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    throw new Error(`${url} cannot be reached: ${error instanceof Error ? (error.cause ?? error.message) : error}`);
  }
  if (response.status === 401) throw new Error("The key was refused; pass a key of the environment as --api-key.");
  if (!response.ok) throw new Error(`${url} answered ${response.status}.`);
  return response.json();
}

/** @param {unknown} value @returns {Record<string, unknown> | undefined} */
function record(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? /** @type {Record<string, unknown>} */ (value) : undefined;
}
