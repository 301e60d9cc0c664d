// Tabs of one origin, and pages that are left: one stream for all, every read counted, and what a page finds when it comes back.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { startEngines } from "../lib/engines.mjs";
import { limit } from "./promises.mjs";
import { begin, changeTheme, live, served, toldThemes, TRANSPORTS } from "./support.mjs";

/** How many reads the server has counted. @param {import("../lib/proxy.mjs").Proxy} proxy */
function counted(proxy) {
  const posts = proxy.requests.filter(({ path, status }) => path.includes("/metrics/") && status === 200);
  return posts.flatMap(({ body }) => JSON.parse(body).metricsData).reduce((sum, { count }) => sum + count, 0);
}

/** Reads a flag a thousand times. @param {import("./support.mjs").EnginePage} page */
async function read(page) {
  await page.evaluate(() => {
    for (let n = 0; n < 1_000; n += 1) /** @type {any} */ (window).clients.main.client.variation("dark-mode", true);
  });
}

for (const engine of await startEngines({ after })) {
  describe(engine.name, () => {
    for (
      const [how, leave] of /** @type {[string, (page: import("./support.mjs").EnginePage, url: string) => Promise<unknown>][]} */ ([
        ["is closed", (page) => page.close()],
        ["goes elsewhere", (page, url) => page.goto(`${url}other.html`)],
        ["closes its client", (page) => page.evaluate(() => /** @type {any} */ (window).clients.main.client.close())],
      ])
    ) {
      test(`three tabs have one stream, and when the leading one ${how} another takes over`, async (t) => {
        const { server, proxy, page, url } = await live(t, engine);
        await proxy.until(() => proxy.streams.size === 1);
        const others = [];
        for (let n = 0; n < 2; n += 1) {
          const tab = await page.another(url);
          await begin(tab, proxy.url);
          await served(tab, "theme", "classic");
          others.push(tab);
        }
        changeTheme(server, "classic", "ocean");
        for (const tab of [page, ...others]) await served(tab, "theme", "ocean");
        assert.equal(proxy.requests.filter(({ stream }) => stream).length, 1);

        await leave(page, url);
        // Nobody may be listening now.
        changeTheme(server, "ocean", "classic");
        for (const tab of others) await served(tab, "theme", "classic");
        await proxy.until(() => proxy.requests.filter(({ stream }) => stream).length === 2 && proxy.streams.size === 1);
        changeTheme(server, "classic", "ocean");
        for (const tab of others) {
          await served(tab, "theme", "ocean");
          assert.deepEqual(await toldThemes(tab), ["classic", "ocean", "classic", "ocean"]);
        }
        assert.equal(proxy.streams.size, 1);
      });
    }

    for (
      const [how, leave] of /** @type {[string, (page: import("./support.mjs").EnginePage, url: string) => Promise<unknown>][]} */ ([
        ["by a link", (page, url) => page.goto(`${url}other.html`)],
        ["by a reload", (page, url) => page.goto(url)],
      ])
    ) {
      test(`reads of a page that is left ${how} are counted`, async (t) => {
        const { proxy, page, url } = await live(t, engine);
        await proxy.until(() => proxy.streams.size === 1);
        await read(page);
        await leave(page, url);
        await proxy.until(() => counted(proxy) >= 1_000);
      });
    }

    test("reads of a page that is closed are counted", async (t) => {
      const { proxy, page, url } = await live(t, engine);
      await page.close();
      // Where one post may be lost, not all of them are.
      const tries = limit(engine.name, "reads of a page that is closed are counted") ? 10 : 1;
      for (let n = 0; n < tries; n += 1) {
        const tab = await engine.open(t, url);
        await begin(tab, proxy.url);
        await served(tab, "theme", "classic");
        await read(tab);
        await tab.close();
      }
      await proxy.until(() => counted(proxy) >= 1_000);
    });

    for (const streamTransport of TRANSPORTS) {
      test(`a page in the back/forward cache shows what changed meanwhile: ${streamTransport}`, async (t) => {
        const { server, proxy, page, url } = await live(t, engine, { options: { streamTransport } });
        // Whether an engine keeps the page may depend on it.
        await proxy.until(() => proxy.streams.size === 1);
        await comeBack(page, url, async () => {
          await proxy.until(() => proxy.streams.size === 0);
          changeTheme(server, "classic", "ocean");
        });
        const kept = !limit(engine.name, "the back/forward cache keeps the page, which shows what changed meanwhile");
        assert.equal(await page.evaluate(() => "left" in window), kept);
        if (!kept) await begin(page, proxy.url, { streamTransport });
        await served(page, "theme", "ocean");
        await proxy.until(() => proxy.streams.size === 1);
        changeTheme(server, "ocean", "classic");
        await served(page, "theme", "classic");
      });
    }

    test("a page without a stream is in the back/forward cache, and shows what changed meanwhile", async (t) => {
      const { server, page, url } = await live(t, engine, { options: { streamEnabled: false } });
      await comeBack(page, url, async () => {
        changeTheme(server, "classic", "ocean");
        await server.line(/flags loaded/);
      });
      assert.ok(await page.evaluate(() => "left" in window), "the page was loaded again");
      await served(page, "theme", "ocean");
    });
  });
}

/**
 * Leaves a page by a link and comes back to it.
 *
 * @param {import("./support.mjs").EnginePage} page
 * @param {string} url the page's
 * @param {() => Promise<unknown>} meanwhile
 */
async function comeBack(page, url, meanwhile) {
  await page.evaluate(() => void Object.assign(window, { left: true }));
  await page.goto(`${url}other.html`);
  await meanwhile();
  await page.back(url);
  await page.until("the page's script", () => "start" in window);
}
