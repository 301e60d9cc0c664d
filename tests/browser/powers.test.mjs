// Each power of the platform that the client takes is taken from it: missing, forbidden, replaced by a script of the page, or broken in
// this browser. Flags and changes come all the same, by polling if need be.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { serveClientPage } from "../lib/client-page.mjs";
import { BROKEN, HURRY } from "../lib/powers.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { FLAGS } from "./support.mjs";

const browser = await startBrowser({ after });

/** A page's two clients, one for each transport, and what they say. Runs in the page. @param {{ key: string, baseUrl: string }} settings */
function begin({ key, baseUrl }) {
  const { flagwire } = /** @type {any} */ (window);
  const clients = ["fetch", "eventsource"].map((streamTransport) => flagwire.initialize(key, { identifier: streamTransport }, { baseUrl, streamTransport, cache: true }));
  /** @type {string[]} */
  const errors = [];
  for (const client of clients) client.on("error", (/** @type {any} */ error) => errors.push(error.code));
  Object.assign(window, { clients, errors });
}

// Most of it is waiting.
describe("a page goes on", { concurrency: 4 }, () => {
  for (const { power, way, script } of BROKEN) {
    test(`where ${power} ${way}`, { timeout: 120_000 }, async (t) => {
      const server = await startServer(t, { flags: FLAGS, args: ["--heartbeat-ms", "1000"] });
      const proxy = await startProxy(t, server.url);
      const page = await openPage(t, browser, await serveClientPage(t, { before: `${HURRY}\n${script}` }));
      await until("the page's script", () => page.evaluate(() => "flagwire" in window));
      await page.evaluate(begin, { key: CLIENT_KEY, baseUrl: proxy.url });
      const served = (/** @type {number} */ value) =>
        until(`both clients to serve ${value}`, () => page.evaluate((value) => /** @type {any} */ (window).clients.every((/** @type {any} */ client) => client.variation("size", 0) === value), value));
      await served(10);
      for (const size of [11, 12]) {
        server.editFlags((text) => text.replace(/size: \d+/, `size: ${size}`));
        await served(size);
      }
      assert.ok(!(await page.evaluate(() => /** @type {any} */ (window).errors)).includes("internal"));
      await page.evaluate(() => /** @type {any} */ (window).clients.forEach((/** @type {any} */ client) => client.close()));
      // A native stream that cannot be closed stays until the page goes.
      if (power !== "EventSource.prototype.close") await proxy.until(() => proxy.streams.size === 0);
    });
  }
});
