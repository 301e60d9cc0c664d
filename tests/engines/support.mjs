// What the tests of this folder share.

import { serveClientPage } from "../lib/client-page.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

/** @typedef {import("../lib/engines.mjs").Engine} Engine */
/** @typedef {import("../lib/engines.mjs").EnginePage} EnginePage */

export const TRANSPORTS = ["fetch", "eventsource"];

/**
 * Starts the page's client, which is called `main`.
 *
 * @param {EnginePage} page
 * @param {string} baseUrl
 * @param {object} [options] the client's
 */
export async function begin(page, baseUrl, options) {
  await page.until("the page's script", () => "start" in window);
  await page.evaluate(({ key, target, options }) => void (/** @type {any} */ (window).start("main", key, target, options)), {
    key: CLIENT_KEY,
    target: TARGET,
    options: { baseUrl, ...options },
  });
}

/**
 * Waits until the page's client serves the value.
 *
 * @param {EnginePage} page
 * @param {string} flag
 * @param {unknown} value
 */
export function served(page, flag, value) {
  const json = JSON.stringify(value);
  return page.until(`${flag} to be ${json}`, ({ flag, json }) => JSON.stringify(/** @type {any} */ (window).clients.main.client.variation(flag, null)) === json, { flag, json });
}

/**
 * A server, a proxy before it, and a page whose client has the server's values.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {Engine} engine
 * @param {{ headers?: Record<string, string>, before?: string, options?: object, args?: string[] }} [settings] `headers` are the page's, `before` is
 *   a script that runs in it before all others, `options` are the client's and `args` the server's
 */
export async function live(t, engine, { headers, before, options, args } = {}) {
  const server = await startServer(t, { flags: FLAGS, args });
  const proxy = await startProxy(t, server.url);
  const url = await serveClientPage(t, { headers, before });
  const page = await engine.open(t, url);
  await begin(page, proxy.url, options);
  await served(page, "theme", "classic");
  return { server, proxy, page, url };
}

/** Changes the default of `theme` in the flags file. @param {import("../lib/server.mjs").TestServer} server @param {string} from @param {string} to */
export function changeTheme(server, from, to) {
  server.editFlags((text) => text.replace(`default: ${from}`, `default: ${to}`));
}

/** The values of `theme` that the page's client has reported. @param {EnginePage} page */
export function toldThemes(page) {
  return page.evaluate(() => /** @type {any[]} */ (/** @type {any} */ (window).clients.main.changes).filter(({ flag }) => flag === "theme").map(({ value }) => value));
}

/** What the console has said that a developer would look into. @param {EnginePage} page */
export async function complaints(page) {
  return (await page.messages()).filter(({ type }) => ["warning", "error", "uncaught"].includes(type)).map(({ text }) => text);
}
