// Two clients that must behave the same: the one that pages have, beside a server, and the one of `flagwire/testing`.

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { packageDir } from "../../scripts/lib/products.mjs";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

// From inside the package its name is itself.
const require = createRequire(join(packageDir, "index.js"));
/** @param {string} entry @returns {Promise<any>} */
export const load = (entry) => import(pathToFileURL(join(packageDir, entry)).href);

const { initialize } = await load("node.js");
const { testClient } = await load("testing.js");

/** The same entries, required. */
export const common = { ...require("flagwire"), ...require("flagwire/testing") };

/**
 * @typedef {object} Subject
 * @property {any} client which is ready
 * @property {(flags: Record<string, unknown>) => Promise<void>} serve makes these all flags that there are, and resolves when the client has them
 * @property {string[]} logged level and text
 */

/**
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {Record<string, unknown>} flags
 * @param {object} [options]
 * @returns {Promise<Subject>}
 */
async function realClient(t, flags, options) {
  const server = await startServer(t, { flags: flagsFile(flags) });
  const logged = /** @type {string[]} */ ([]);
  const client = initialize(CLIENT_KEY, { identifier: "ada" }, { baseUrl: server.url, logger: loggerOf(logged), ...options });
  atEnd(t, () => client.close());
  const connected = new Promise((resolve) => client.on("connected", resolve));
  await client.ready();
  await connected;
  const serve = async (/** @type {Record<string, unknown>} */ next) => {
    const arrived = arrival(client, next);
    server.editFlags(() => flagsFile(next));
    await arrived;
  };
  return { client, serve, logged };
}

/**
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {Record<string, unknown>} flags
 * @param {object} [options]
 * @returns {Promise<Subject>}
 */
async function clientForTests(t, flags, options) {
  const logged = /** @type {string[]} */ ([]);
  const client = testClient(flags, { target: { identifier: "ada" }, unknownFlags: "default", logger: loggerOf(logged), ...options });
  atEnd(t, () => client.close());
  await client.ready();
  const serve = async (/** @type {Record<string, unknown>} */ next) => {
    for (const name of Object.keys(client.flags())) if (!Object.hasOwn(next, name)) client.remove(name);
    client.set(next);
  };
  return { client, serve, logged };
}

/** What each behaviour is tried with. */
export const CLIENTS = { "the client": realClient, "a test client": clientForTests };

/** Resolves when the client serves exactly these flags. @param {any} client @param {Record<string, unknown>} flags */
function arrival(client, flags) {
  const there = () => isDeepStrictEqual({ ...client.flags() }, flags);
  return new Promise((resolve) => {
    const look = () => there() && (stop(), resolve(undefined));
    const stop = client.on("changed", look);
    look();
  });
}

/** @param {string[]} logged */
function loggerOf(logged) {
  const level = (/** @type {string} */ name) => (/** @type {string} */ text) => logged.push(`${name} ${text}`);
  return { debug: level("debug"), info: level("info"), warn: level("warn"), error: level("error") };
}

/** A flags file that serves these values to everybody. @param {Record<string, unknown>} flags */
function flagsFile(flags) {
  const entries = Object.entries(flags).map(([name, value]) => [name, { variations: { one: value }, default: "one" }]);
  return JSON.stringify({ flags: Object.fromEntries(entries) });
}
