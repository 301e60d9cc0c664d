// Values, changes and the end of a client, with both transports, under each policy, and on the second visit.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { startEngines } from "../lib/engines.mjs";
import { TARGET } from "../lib/flags.mjs";
import { CLIENT_KEY } from "../lib/server.mjs";
import { changeTheme, complaints, live, served, TRANSPORTS } from "./support.mjs";

/** What a page's policy may be, and whether it forbids WebAssembly. @type {[string, boolean][]} */
const POLICIES = [
  ["script-src 'self' 'unsafe-eval'", false],
  ["script-src 'self' 'wasm-unsafe-eval'", false],
  ["script-src 'self'", true],
];

for (const engine of await startEngines({ after })) {
  describe(engine.name, () => {
    for (const streamTransport of TRANSPORTS) {
      test(`every kind is read, changes live and is told, for another target too, and the end leaves nothing: ${streamTransport}`, async (t) => {
        const { server, proxy, page } = await live(t, engine, { options: { streamTransport } });
        await proxy.until(() => proxy.streams.size === 1);
        const [{ headers } = assert.fail()] = proxy.streams.keys();
        // A native stream sends no headers of the client's.
        assert.equal("api-key" in headers, streamTransport === "fetch");
        for (const [flag, value] of Object.entries({ "dark-mode": false, theme: "classic", "page-size": 4, limits: { rps: 10, regions: ["eu"] }, "free-shipping": true })) {
          await served(page, flag, value);
        }
        server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true").replace("default: classic", "default: ocean").replace("default: small", "default: large").replace("default: free", "default: gold"));
        const changed = { "dark-mode": true, theme: "ocean", "page-size": 12, limits: { rps: 100, regions: ["eu", "us"] } };
        for (const [flag, value] of Object.entries(changed)) await served(page, flag, value);
        const mirror = await page.evaluate(() => /** @type {any} */ (window).clients.main.mirror);
        for (const [flag, value] of Object.entries(changed)) assert.deepEqual(mirror[flag].value, value, flag);

        await page.evaluate(() => /** @type {any} */ (window).clients.main.client.identify({ identifier: "grace" }));
        await served(page, "free-shipping", false);
        await page.evaluate(() => /** @type {any} */ (window).clients.main.client.close());
        await proxy.until(() => proxy.streams.size === 0);
        assert.deepEqual(await complaints(page), []);
      });
    }

    test("the second visit begins with what was kept", async (t) => {
      const { page, url, proxy } = await live(t, engine, { options: { cache: true } });
      await page.until("the cache", () => localStorage.length > 0);
      await page.goto(`${url}?again`);
      await page.until("the page's script", () => "start" in window);
      const first = await page.evaluate(
        ({ key, target, baseUrl }) => /** @type {any} */ (window).start("main", key, target, { baseUrl, cache: true }).variation("theme", "none"),
        { key: CLIENT_KEY, target: TARGET, baseUrl: proxy.url },
      );
      assert.equal(first, "classic");
      assert.deepEqual(await complaints(page), []);
    });

    for (const [policy, forbidden] of POLICIES) {
      // WebDriver's own scripts are the page's in WebKit, where 'self' alone forbids what they are made of no less.
      test(`a change arrives under the policy ${policy}`, async (t) => {
        const { server, page } = await live(t, engine, { headers: { "content-security-policy": policy } });
        changeTheme(server, "classic", "ocean");
        await served(page, "theme", "ocean");
        const loaded = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname));
        assert.equal(loaded.includes("/fallback.js"), forbidden, loaded.join(" "));
        assert.equal(loaded.includes("/flagwire.wasm"), !forbidden, loaded.join(" "));
        // The engine says what the policy refused, and the package what it does about it.
        const said = await complaints(page);
        assert.equal(said.filter((text) => text.startsWith("Flagwire: javascript-build")).length, forbidden ? 1 : 0, said.join("\n"));
        assert.deepEqual(said.filter((text) => !forbidden || !/^Flagwire: javascript-build|content.?security.?policy/i.test(text)), []);
      });
    }

    test("flagwire/javascript runs where WebAssembly is forbidden, and says nothing", async (t) => {
      const { server, proxy, page } = await live(t, engine, { headers: { "content-security-policy": "script-src 'self'" } });
      await page.evaluate(
        async ({ key, baseUrl }) => {
          const { initialize } = await import(/** @type {any} */ ("./javascript.js"));
          Object.assign(/** @type {any} */ (window).clients, { main: { client: initialize(key, { identifier: "ada" }, { baseUrl, shareStream: false }) } });
        },
        { key: CLIENT_KEY, baseUrl: proxy.url },
      );
      const before = (await complaints(page)).length;
      await served(page, "theme", "classic");
      changeTheme(server, "classic", "ocean");
      await served(page, "theme", "ocean");
      assert.deepEqual((await complaints(page)).slice(before), []);
    });
  });
}
