// The published `@harnessio/ff-javascript-client-sdk`, in Chromium, on flagwire-server.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";

const browser = await startBrowser({ after });
const SCRIPT = `
import { initialize, Event } from "@harnessio/ff-javascript-client-sdk";
window.log = [];
window.start = (key, target, options) => {
  window.client = initialize(key, target, options);
  for (const event of Object.values(Event)) client.on(event, (payload) => log.push([event, event.includes("error") ? String(payload) : payload]));
};
`;

/**
 * A page with a client of the SDK at work.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {{ args?: string[], prefix?: string, key?: string }} [options]
 */
async function start(t, { args, prefix = "", key = CLIENT_KEY } = {}) {
  const server = await startServer(t, { flags: FLAGS, args });
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT));
  await page.evaluate(
    ([key, target, url]) => window.start(key, target, { baseUrl: url, eventUrl: url }),
    /** @type {const} */ ([key, TARGET, server.url + prefix]),
  );
  return { server, page };
}

/** @param {import("playwright-core").Page} page @param {string} name */
function event(page, name) {
  return page.waitForFunction((name) => window.log.find(([event]) => event === name), name).then((found) => found.jsonValue());
}

/** @param {import("playwright-core").Page} page */
function read(page) {
  return page.evaluate(() => ["dark-mode", "theme", "page-size", "limits", "free-shipping", "no-such-flag"].map((flag) => window.client.variation(flag, "default")));
}

for (const prefix of ["", "/api/1.0"]) {
  test(`gets ready and reads every kind, base URL ending in "${prefix}"`, async (t) => {
    const { page } = await start(t, { prefix });
    const [, flags] = await event(page, "ready");
    assert.deepEqual(flags, { "dark-mode": false, "free-shipping": true, limits: { rps: 10, regions: ["eu"] }, "page-size": 4, theme: "classic" });
    assert.deepEqual(await read(page), [false, "classic", 4, { rps: 10, regions: ["eu"] }, true, "default"]);
  });
}

for (const carried of ["true", "false"]) {
  test(`sees changes of every kind live, events with evaluations: ${carried}`, async (t) => {
    const { server, page } = await start(t, { args: ["--event-evaluations", carried] });
    await event(page, "connected");
    await page.evaluate(() => (window.log.length = 0));
    server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true").replace("default: classic", "default: ocean").replace("default: small", "default: large").replace("default: free", "default: gold"));
    await page.waitForFunction(() => new Set(window.log.filter(([event]) => event === "changed").map(([, { flag }]) => flag)).size === 4);
    assert.deepEqual(await read(page), [true, "ocean", 12, { rps: 100, regions: ["eu", "us"] }, true, "default"]);
  });
}

test("sees a flag come and go", async (t) => {
  const { server, page } = await start(t);
  await event(page, "connected");
  server.editFlags((text) => text.replace("flags:\n", "flags:\n  brand-new: true\n"));
  await page.waitForFunction(() => window.log.find(([event, payload]) => event === "changed" && payload.flag === "brand-new"));
  assert.equal(await page.evaluate(() => window.client.variation("brand-new", false)), true);
  server.editFlags((text) => text.replace("  brand-new: true\n", ""));
  await page.waitForFunction(() => window.log.find(([event, payload]) => event === "changed" && payload.flag === "brand-new" && payload.deleted));
  assert.equal(await page.evaluate(() => window.client.variation("brand-new", false)), false);
});

test("is told of a wrong key", async (t) => {
  const { page } = await start(t, { key: "no-such-key" });
  await event(page, "auth error");
  assert.deepEqual(await read(page), Array(6).fill("default"));
});
