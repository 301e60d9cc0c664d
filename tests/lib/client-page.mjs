// A plain page with the built package in it, for tests that act as a page's own scripts would.

import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageDir } from "../../scripts/lib/products.mjs";
import { serveFiles } from "./files.mjs";
import { tempDir } from "./scope.mjs";

/** The page's script: the package, and a record of what clients tell. */
const SCRIPT = `
import * as flagwire from "./index.js";

/** Makes a client under a name, and keeps what it tells. */
function start(name, key, target, options) {
  const client = flagwire.initialize(key, target, options);
  const record = { client, events: [], changes: [], cached: {}, mirror: {} };
  for (const event of Object.values(flagwire.Event)) {
    client.on(event, (payload) => record.events.push({ event, code: payload?.code, status: payload?.status, reason: payload?.reason, final: payload?.final, at: performance.timeOrigin + performance.now() }));
  }
  client.on("changed", ({ flag, value, identifier, kind, deleted }) => {
    record.changes.push({ flag, value, identifier, kind, deleted });
    if (deleted) delete record.mirror[flag];
    else record.mirror[flag] = { value, identifier };
  });
  // Cached values were there before anybody could listen.
  client.on("cache loaded", (list) => {
    for (const { flag, identifier, kind, value } of list) {
      const converted = kind === "boolean" ? value === "true" : kind === "int" ? Number(value) : kind === "json" ? JSON.parse(value) : value;
      record.cached[flag] = { value: converted, identifier };
      record.mirror[flag] ??= { value: converted, identifier };
    }
  });
  clients[name] = record;
  return client;
}

const clients = {};
/** What the console is told, for engines whose driver does not say. */
const messages = [];
for (const [name, type] of [["warn", "warning"], ["error", "error"]]) {
  const say = console[name];
  console[name] = (...said) => {
    messages.push({ type, text: said.map(String).join(" ") });
    return say.apply(console, said);
  };
}
Object.assign(window, { flagwire, clients, start, messages });
try {
  addEventListener("error", ({ message }) => messages.push({ type: "uncaught", text: message }));
  addEventListener("unhandledrejection", ({ reason }) => messages.push({ type: "uncaught", text: String(reason) }));
} catch {
  // a test has taken it away
}
`;

const HTML = '<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,"><body><script type="module" src="page.js"></script>';

/**
 * Serves the page, and `other.html` that has no script.
 *
 * @param {import("./scope.mjs").Scope} t
 * @param {{ headers?: Record<string, string>, before?: string }} [options] `before` is a script that runs before all others
 * @returns {Promise<string>} its URL
 */
export async function serveClientPage(t, { before, ...options } = {}) {
  const folder = tempDir(t);
  // Copies, so that a build meanwhile does not change a test under way.
  // `FLAGWIRE_PACKAGE` names another build than pkg/, such as an older one to compare with.
  const built = process.env.FLAGWIRE_PACKAGE ?? packageDir;
  for (const file of readdirSync(built)) if (/\.(js|wasm)$/.test(file)) copyFileSync(join(built, file), join(folder, file));
  writeFileSync(join(folder, "page.js"), SCRIPT);
  writeFileSync(join(folder, "index.html"), before ? HTML.replace("<body>", () => `<script>${before}</script><body>`) : HTML);
  writeFileSync(join(folder, "other.html"), '<!doctype html><title>other</title><link rel="icon" href="data:,">');
  return `${await serveFiles(t, folder, options)}/`;
}

/**
 * Starts a client in the page, under a name, and waits until it is ready.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} baseUrl
 * @param {{ name?: string, key?: string, target?: object, options?: object, wait?: boolean }} [settings]
 */
export async function startClient(page, baseUrl, { name = "main", key = "flagwire-dev-client-key", target = { identifier: "ada" }, options = {}, wait = true } = {}) {
  await page.waitForFunction(() => "start" in window);
  await page.evaluate(
    async ({ name, key, target, options, wait }) => {
      const { start } = /** @type {any} */ (window);
      const client = start(name, key, target, options);
      if (wait) await client.ready();
    },
    { name, key, target, options: { baseUrl, ...options }, wait },
  );
}

/**
 * Waits until the client serves the value.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} flag
 * @param {unknown} value
 * @param {string} [name]
 */
export async function untilServed(page, flag, value, name = "main") {
  await page.waitForFunction(
    ({ name, flag, value }) => /** @type {any} */ (window).clients[name]?.client.variation(flag, null) === value,
    { name, flag, value },
    { polling: 20, timeout: 0 },
  );
}

/**
 * Waits until the client has reported an event, so many times.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} event
 * @param {{ name?: string, times?: number }} [which]
 */
export async function untilTold(page, event, { name = "main", times = 1 } = {}) {
  await page.waitForFunction(
    ({ name, event, times }) => /** @type {any} */ (window).clients[name]?.events.filter((/** @type {any} */ one) => one.event === event).length >= times,
    { name, event, times },
    { polling: 20, timeout: 0 },
  );
}

/**
 * What the client has reported so far.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} [name]
 * @returns {Promise<{ events: { event: string, code?: string, status?: number, reason?: string, final?: boolean, at: number }[], changes: { flag: string, value: unknown, identifier?: string, deleted?: boolean }[], mirror: Record<string, { value: unknown, identifier: string }> }>}
 */
export async function told(page, name = "main") {
  return page.evaluate((name) => {
    const { events, changes, mirror } = /** @type {any} */ (window).clients[name];
    return { events, changes, mirror };
  }, name);
}
