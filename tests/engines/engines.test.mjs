// The package in the engines that people have: the same tests in each.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { serveClientPage } from "../lib/client-page.mjs";
import { chromiumEngine, firefoxEngine, webkitEngine } from "../lib/engines.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const engines = [await chromiumEngine({ after }), await firefoxEngine({ after }), await webkitEngine({ after })];
/** Firefox as it is where "block all cookies and site data" is chosen. */
const blocked = await firefoxEngine({ after }, { preferences: { "network.cookie.cookieBehavior": 2 } });

/** @param {import("../lib/scope.mjs").Scope} t @param {import("../lib/engines.mjs").Engine} engine @param {{ headers?: Record<string, string>, options?: object }} [settings] */
async function live(t, engine, { headers, options = {} } = {}) {
  const server = await startServer(t, { flags: FLAGS });
  const proxy = await startProxy(t, server.url);
  const url = await serveClientPage(t, { headers });
  const page = await engine.open(t, url);
  const begin = async () => {
    await page.until("the page's script", () => "start" in window);
    await page.evaluate(({ key, target, options }) => void (/** @type {any} */ (window).start("main", key, target, options)), { key: CLIENT_KEY, target: TARGET, options: { baseUrl: proxy.url, ...options } });
  };
  await begin();
  const served = (/** @type {string} */ flag, /** @type {unknown} */ value) =>
    page.until(`${flag} to be ${value}`, ({ flag, value }) => JSON.stringify(/** @type {any} */ (window).clients.main.client.variation(flag, null)) === value, { flag, value: JSON.stringify(value) });
  await served("theme", "classic");
  return { server, proxy, page, served, begin, url };
}

for (const engine of engines) {
  describe(engine.name, () => {
    for (const streamTransport of ["fetch", "eventsource"]) {
      test(`ready, every kind, a change, another target, the end: ${streamTransport}`, async (t) => {
        const { server, proxy, page, served } = await live(t, engine, { options: { streamTransport } });
        const values = await page.evaluate(() => ["dark-mode", "theme", "page-size", "free-shipping"].map((flag) => /** @type {any} */ (window).clients.main.client.variation(flag, null)));
        assert.deepEqual(values, [false, "classic", 4, true]);
        await served("limits", { rps: 10, regions: ["eu"] });
        await proxy.until(() => proxy.streams.size === 1);
        server.editFlags((text) => text.replace("default: classic", "default: ocean"));
        await served("theme", "ocean");
        await page.evaluate(() => /** @type {any} */ (window).clients.main.client.identify({ identifier: "grace" }));
        await served("free-shipping", false);
        await page.evaluate(() => /** @type {any} */ (window).clients.main.client.close());
        await proxy.until(() => proxy.streams.size === 0);
      });
    }

    test("the second visit begins with what was kept", async (t) => {
      const { page, url, proxy } = await live(t, engine, { options: { cache: true } });
      await page.evaluate(() => /** @type {any} */ (window).clients.main.client.flush());
      await page.until("the cache", () => localStorage.length > 0);
      await page.goto(`${url}?again`);
      await page.until("the page's script", () => "start" in window);
      const first = await page.evaluate(({ key, target, baseUrl }) => /** @type {any} */ (window).start("main", key, target, { baseUrl, cache: true }).variation("theme", "none"), { key: CLIENT_KEY, target: TARGET, baseUrl: proxy.url });
      assert.equal(first, "classic");
    });

    for (const [policy, fallback] of /** @type {[string, boolean][]} */ ([["script-src 'self' 'unsafe-eval'", false], ["script-src 'self' 'wasm-unsafe-eval'", false], ["script-src 'self'", true]])) {
      // WebDriver's own scripts are the page's in WebKit, where 'self' alone forbids what they are made of no less.
      test(`under the policy ${policy}`, async (t) => {
        const { server, page, served } = await live(t, engine, { headers: { "content-security-policy": policy } });
        server.editFlags((text) => text.replace("default: classic", "default: ocean"));
        await served("theme", "ocean");
        const loaded = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname));
        assert.equal(loaded.includes("/fallback.js"), fallback, loaded.join(" "));
        assert.equal(loaded.includes("/flagwire.wasm"), !fallback, loaded.join(" "));
      });
    }
  });
}

test("Firefox with site data blocked: a change arrives", async (t) => {
  const { server, served, page } = await live(t, blocked, { options: { cache: true } });
  const refused = await page.evaluate(() => {
    try {
      new BroadcastChannel("x").close();
      return false;
    } catch {
      return true;
    }
  });
  assert.ok(refused, "the channel is refused");
  server.editFlags((text) => text.replace("default: classic", "default: ocean"));
  await served("theme", "ocean");
});
