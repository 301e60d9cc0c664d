// The WebAssembly module traps: the page keeps its flags, hears of it, and the core is started again, once.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { startClient, told, untilServed, untilTold } from "../lib/client-page.mjs";
import { openTabs, setUp, untilSettled } from "./support.mjs";

const browser = await startBrowser({ after });

for (const transport of ["fetch", "eventsource"]) {
  test(`after a trap the values are served on, and a new core goes on: ${transport}`, async (t) => {
    const { server, proxy, url } = await setUp(t, browser);
    // Not `openPage`: the page does report an error.
    const [page] = await openTabs(t, browser, url, 1);
    await startClient(page, proxy.url, { options: { streamTransport: transport } });
    await untilSettled(proxy);
    const [stream] = proxy.streams.keys();

    await sabotage(page);
    server.editFlags((text) => text.replace("classic", "sunset"));
    await untilTold(page, "error");
    const { events } = await told(page);
    assert.deepEqual(events.filter(({ event }) => event === "error").map(({ code, final }) => [code, final]), [["internal", false]]);
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).clients.main.client.variation("size", 0)), 10);

    await untilServed(page, "theme", "sunset");
    await proxy.until(() => proxy.streams.size === 1 && !proxy.streams.has(stream));
    server.editFlags((text) => text.replace("sunset", "ocean"));
    await untilServed(page, "theme", "ocean");
    assert.deepEqual((await told(page)).events.filter(({ event }) => event === "state").at(-1)?.status, "ready");
    await page.evaluate(() => /** @type {any} */ (window).clients.main.client.close());
    await proxy.until(() => proxy.streams.size === 0);
  });
}

test("after a second trap the last values stay, and it is reported as the end", async (t) => {
  const { server, proxy, url } = await setUp(t, browser);
  const [page] = await openTabs(t, browser, url, 1);
  await startClient(page, proxy.url, { options: { streamTransport: "fetch" } });
  await untilSettled(proxy);
  const streams = new Set();
  for (const [times, theme] of /** @type {[number, string][]} */ ([[1, "sunset"], [2, "ocean"]])) {
    await proxy.until(() => proxy.streams.size === 1 && ![...proxy.streams.keys()].some((one) => streams.has(one)));
    await untilSettled(proxy);
    for (const one of proxy.streams.keys()) streams.add(one);
    await sabotage(page);
    server.editFlags((text) => text.replace(/theme: \w+/, `theme: ${theme}`));
    await untilTold(page, "error", { times });
    if (times === 1) await untilServed(page, "theme", theme);
  }
  const { events } = await told(page);
  assert.deepEqual(events.filter(({ event }) => event === "error").map(({ code, final }) => [code, final]), [["internal", false], ["internal", true]]);
  assert.deepEqual(await page.evaluate(() => [/** @type {any} */ (window).clients.main.client.variation("theme", ""), /** @type {any} */ (window).clients.main.client.state().reason]), ["sunset", "internal"]);
  await proxy.until(() => proxy.streams.size === 0);
  const failed = await page.evaluate(() => /** @type {any} */ (window).clients.main.client.identify({ identifier: "grace" }).catch((/** @type {any} */ error) => `${error.code} ${error.final}`));
  assert.equal(failed, "internal true", "nobody waits for what will not come");
  await page.evaluate(() => /** @type {any} */ (window).clients.main.client.close());
});

test("a switch of target that traps is not taken for done: the new core makes it", async (t) => {
  const { proxy, url } = await setUp(t, browser, { flags: "flags:\n  theme: classic\n  gold: { default: false, rules: [{ when: { plan: gold }, serve: true }] }\n" });
  const [page] = await openTabs(t, browser, url, 1);
  await startClient(page, proxy.url);
  await untilSettled(proxy);
  const served = await page.evaluate(async () => {
    const { client } = /** @type {any} */ (window).clients.main;
    client.variation("theme", "");
    // Counts of the old target are made up in the middle of the switch.
    const { stringify } = JSON;
    JSON.stringify = (/** @type {any} */ ...args) => {
      if (!Array.isArray(args[0])) return stringify(...(/** @type {[any]} */ (args)));
      JSON.stringify = stringify;
      throw new Error("sabotage");
    };
    await client.identify({ identifier: "grace", attributes: { plan: "gold" } });
    return client.variation("gold", false);
  });
  assert.equal(served, true);
  assert.deepEqual((await told(page)).events.filter(({ event }) => event === "error").map(({ code }) => code), ["internal"]);
});

/**
 * The next time that the core stores the flag `theme`, the page throws in the middle: a polyfill with a mistake does so. The
 * exception passes through the module, which is left half way: any further call of that core traps.
 *
 * @param {import("playwright-core").Page} page
 */
async function sabotage(page) {
  await page.evaluate(() => {
    const { set } = Map.prototype;
    Map.prototype.set = function(key, value) {
      if (key === "theme") {
        Map.prototype.set = set;
        throw new Error("sabotage");
      }
      return set.call(this, key, value);
    };
  });
}
