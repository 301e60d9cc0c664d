// Fetches the flags of an environment from its server.

import { Mistake, messageOf } from "./mistake.mjs";

const TIMEOUT_MS = 30_000;

/**
 * @param {string} baseUrl
 * @param {string} apiKey
 * @returns {Promise<import("./declaration.mjs").Flags>}
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
    return new Map(configs.map((/** @type {Record<string, unknown>} */ config) => [String(config["feature"]), flagOfConfig(config)]));
  }
  const list = await ask(`${environment}/target/${target.identifier}/evaluations${cluster}`, { headers });
  // A single value tells the kind of the flag, and nothing else.
  return new Map(list.map((/** @type {Record<string, string>} */ { flag, kind, value }) => [flag, { kind: kindOf(kind), values: [valueOf(kind, value)], complete: false }]));
}

/**
 * @param {any} config a flag in the protocol's form
 * @returns {import("./declaration.mjs").Flag}
 */
export function flagOfConfig(config) {
  const variations = Array.isArray(config?.variations) ? config.variations : [];
  const kind = kindOf(String(config?.kind));
  return { kind, values: variations.map((/** @type {any} */ variation) => valueOf(kind, String(variation?.value))), complete: variations.length > 0 };
}

/** @param {string | undefined} kind read as the client reads it: an unknown kind is text */
function kindOf(kind) {
  const known = String(kind).toLowerCase();
  return known === "number" ? "int" : ["boolean", "int", "json"].includes(known) ? known : "string";
}

/** @param {string | undefined} kind @param {string} value */
function valueOf(kind, value) {
  if (kindOf(kind) !== "json") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** @param {string} url @param {RequestInit} init */
async function ask(url, init) {
  let response;
  let text;
  try {
    // The limit covers the whole reply, because a command that hangs would block a build.
    response = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    text = await response.text();
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") throw new Mistake(`${url} did not answer in ${TIMEOUT_MS / 1000} seconds.`);
    const cause = error instanceof Error && error.cause ? error.cause : error;
    throw new Mistake(`${url} cannot be reached: ${messageOf(cause)}`);
  }
  if (response.status === 401 || response.status === 403) throw new Mistake("The key was refused; pass a key of the environment as --api-key.");
  if (!response.ok) throw new Mistake(`${url} answered ${response.status}.`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Mistake(`${url} answered with something that is no JSON; is --base-url that of a flag server?`);
  }
}
