// Each power of the platform that the client takes is taken from it: missing, forbidden, replaced by a script of the page, or broken in
// this browser. Flags and changes come all the same, by polling if need be.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serveClientPage } from "../lib/client-page.mjs";
import { everything } from "../lib/everything.mjs";
import { BROKEN, HURRY } from "../lib/powers.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const FLAGS = "flags:\n  size: 10\n";

/** A page's two clients, one for each transport, and what they say. Runs in the page. @param {{ key: string, baseUrl: string }} settings */
function begin({ key, baseUrl }) {
  const { flagwire } = /** @type {any} */ (window);
  const clients = ["fetch", "eventsource"].map((streamTransport) => flagwire.initialize(key, { identifier: streamTransport }, { baseUrl, streamTransport, cache: true }));
  /** @type {string[]} */
  const errors = [];
  for (const client of clients) client.on("error", (/** @type {any} */ error) => errors.push(error.code));
  Object.assign(window, { clients, errors });
}

/** WebKit's driver cannot do without these in the page that it drives: its own scripts there use them. */
const OF_THE_DRIVER = ["setTimeout throws", "clearTimeout throws"];

/**
 * What is broken in an engine: everything in Chromium, in the others what may be gone, unless all is to be tested.
 *
 * @param {import("../lib/engines.mjs").EngineName} engine
 */
function brokenIn(engine) {
  const chosen = everything || engine === "chromium" ? BROKEN : BROKEN.filter(({ power }) => power.startsWith("the property "));
  return engine === "webkit" ? chosen.filter(({ power, way }) => !OF_THE_DRIVER.includes(`${power} ${way}`)) : chosen;
}

/**
 * Declares a test for each power that is broken in an engine.
 *
 * @param {import("../lib/engines.mjs").Engine} engine
 */
export function testPowers(engine) {
  for (const { power, way, script } of brokenIn(engine.name)) {
    test(`where ${power} ${way}`, { timeout: 180_000 }, async (t) => {
      const server = await startServer(t, { flags: FLAGS, args: ["--heartbeat-ms", "1000"] });
      const proxy = await startProxy(t, server.url);
      const page = await engine.open(t, await serveClientPage(t, { before: `${HURRY}\n${script}` }));
      await page.until("the page's script", () => "flagwire" in window);
      await page.evaluate(begin, { key: CLIENT_KEY, baseUrl: proxy.url });
      const served = (/** @type {number} */ value) => page.until(`both clients to serve ${value}`, (value) => /** @type {any} */ (window).clients.every((/** @type {any} */ client) => client.variation("size", 0) === value), value);
      await served(10);
      for (const size of [11, 12]) {
        server.editFlags((text) => text.replace(/size: \d+/, `size: ${size}`));
        await served(size);
      }
      assert.ok(!(await page.evaluate(() => /** @type {any} */ (window).errors)).includes("internal"));
      await page.evaluate(() => /** @type {any} */ (window).clients.forEach((/** @type {any} */ client) => client.close()));
      // A native stream that cannot be closed stays until the page goes.
      if (power !== "EventSource.prototype.close") await proxy.until(() => proxy.streams.size === 0);
      assert.deepEqual((await page.messages()).filter(({ type }) => type === "uncaught"), []);
    });
  }
}
