// What the tests of this folder share.

import { openPage } from "../lib/browser.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { startServer } from "../lib/server.mjs";
import { atEnd } from "../lib/scope.mjs";
import { serveClientPage } from "../lib/client-page.mjs";

export const FLAGS = "flags:\n  dark: false\n  theme: classic\n  size: 10\n";

/**
 * A server, a proxy in front of it, and a page that has the package and no client yet.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {import("playwright-core").Browser} browser
 * @param {{ flags?: string, args?: string[] }} [options]
 */
export async function setUp(t, browser, { flags = FLAGS, args } = {}) {
  const server = await startServer(t, { flags, args });
  const proxy = await startProxy(t, server.url);
  // Importable from anywhere: a page in a sandbox is of no origin.
  const url = await serveClientPage(t, { headers: { "access-control-allow-origin": "*" } });
  const page = await openPage(t, browser, url);
  return { server, proxy, url, page };
}

/**
 * Tabs of one browser profile.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {number} count
 */
export async function openTabs(t, browser, url, count) {
  const context = await browser.newContext();
  atEnd(t, () => context.close());
  const pages = [];
  for (let index = 0; index < count; index += 1) {
    const page = await context.newPage();
    await page.goto(url);
    pages.push(page);
  }
  return pages;
}

/**
 * Saves the flags file, and waits until the server serves it.
 *
 * @param {import("../lib/server.mjs").TestServer} server
 * @param {(text: string) => string} change
 */
export async function edit(server, change) {
  server.lines.length = 0;
  server.editFlags(change);
  await server.line(/flags loaded/);
}

/** @param {import("../lib/proxy.mjs").Seen} request */
export function isSignIn({ path }) {
  return path.endsWith("/client/auth");
}

/** @param {import("../lib/proxy.mjs").Seen} request */
export function isFetchOfAll({ method, path }) {
  return method === "GET" && path.endsWith("/evaluations");
}

/** @param {import("../lib/proxy.mjs").Seen} request */
export function isStream({ stream }) {
  return stream;
}

/**
 * How many reads the server has counted.
 *
 * @param {import("../lib/proxy.mjs").Proxy} proxy
 * @param {(attributes: Record<string, string>) => boolean} [which]
 */
export function counted(proxy, which = () => true) {
  let sum = 0;
  for (const { path, body, status } of proxy.requests) {
    if (!path.includes("/metrics/") || status !== 200) continue;
    for (const { count, attributes } of JSON.parse(body).metricsData) {
      const named = Object.fromEntries(attributes.map((/** @type {{ key: string, value: string }} */ { key, value }) => [key, value]));
      if (which(named)) sum += count;
    }
  }
  return sum;
}

/**
 * Waits until there are so many streams, and a list that was asked for after the last of them had opened has been delivered.
 *
 * @param {import("../lib/proxy.mjs").Proxy} proxy
 */
export async function untilSettled(proxy, streams = 1) {
  await proxy.until(() => {
    const open = [...proxy.streams.keys()];
    const since = Math.max(...open.map(({ openedAt }) => openedAt ?? Infinity));
    return open.length === streams && proxy.requests.some((request) => isFetchOfAll(request) && request.cameAt > since && request.delivered);
  });
}
