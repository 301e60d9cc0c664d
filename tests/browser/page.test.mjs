// What happens to a page: left and restored, offline, hidden, left for good.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { startClient, told, untilServed, untilTold } from "../lib/client-page.mjs";
import { counted, edit, isFetchOfAll, setUp, untilSettled } from "./support.mjs";

const browser = await startBrowser({ after });
// Playwright switches the back/forward cache off.
const remembering = await startBrowser({ after }, { args: ["--enable-features=BackForwardCache"], ignoreDefaultArgs: ["--disable-back-forward-cache"] });

for (const transport of ["fetch", "eventsource"]) {
  test(`a page restored from the back/forward cache shows what changed meanwhile: ${transport}`, async (t) => {
    const { server, proxy, url, page } = await setUp(t, remembering);
    await startClient(page, proxy.url, { options: { streamTransport: transport } });
    await untilSettled(proxy);
    await page.evaluate(() => Object.assign(window, { sameDocument: true }));

    await page.goto(`${url}other.html`);
    await proxy.until(() => proxy.streams.size === 0);
    await edit(server, (text) => text.replace("classic", "sunset"));
    await page.goBack({ waitUntil: "commit" }); // a restored page does not load
    assert.equal(await page.evaluate(() => "sameDocument" in window), true, "the page was loaded anew: the client keeps it out of the cache");
    await untilServed(page, "theme", "sunset");

    // And it is live again.
    await proxy.until(() => proxy.streams.size === 1);
    server.editFlags((text) => text.replace("sunset", "ocean"));
    await untilServed(page, "theme", "ocean");
    const { changes } = await told(page);
    assert.deepEqual(changes.filter(({ flag }) => flag === "theme").map(({ value }) => value), ["classic", "sunset", "ocean"]);
  });
}

test("a page that was offline shows what changed meanwhile", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  // A native stream that breaks says so to nobody while the browser tries to open it again.
  await startClient(page, proxy.url, { options: { streamTransport: "fetch" } });
  await untilSettled(proxy);

  await page.context().setOffline(true);
  proxy.cutAll();
  await untilTold(page, "disconnected");
  server.editFlags((text) => text.replace("classic", "sunset"));
  await page.context().setOffline(false);
  await untilServed(page, "theme", "sunset");
  await untilTold(page, "connected", { times: 2 });
  // The value may have come with the stream, before the list of all is there.
  await untilTold(page, "state", { times: 3 });
  const { events } = await told(page);
  assert.deepEqual(
    events.filter(({ event }) => event === "state").map(({ status }) => status),
    ["ready", "stale", "ready"],
  );
});

test("a hidden page is left in peace after a while, and shows what changed when it is looked at", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  await startClient(page, proxy.url, { options: { pauseWhenHidden: 50 } });
  await untilSettled(proxy);

  await look(page, false);
  await proxy.until(() => proxy.streams.size === 0);
  const { events } = await told(page);
  assert.equal(events.filter(({ event }) => event === "error").length, 0);
  const { event, status, reason } = events.at(-1) ?? {};
  assert.deepEqual([event, status, reason], ["state", "stale", "hidden"]);

  const before = proxy.requests.length;
  await edit(server, (text) => text.replace("classic", "sunset"));
  assert.deepEqual(proxy.requests.slice(before), [], "a resting page asks for nothing");
  await look(page, true);
  await untilServed(page, "theme", "sunset");
  await proxy.until(() => proxy.streams.size === 1);
});

test("a page hidden for a moment keeps its stream", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  await startClient(page, proxy.url, { options: { pauseWhenHidden: 3_600_000 } });
  await untilSettled(proxy);
  const [stream] = proxy.streams.keys();
  await look(page, false);
  await look(page, true);
  server.editFlags((text) => text.replace("classic", "sunset"));
  await untilServed(page, "theme", "sunset");
  assert.deepEqual([...proxy.streams.keys()].map(({ id }) => id), [stream.id]);
});

for (
  const [how, leave] of /** @type {[string, (page: import("playwright-core").Page, url: string) => Promise<unknown>][]} */ ([
    ["by a link", (page, url) => page.goto(`${url}other.html`)],
    ["by a reload", (page) => page.reload()],
    ["by closing the tab", (page) => page.close({ runBeforeUnload: true })],
  ])
) {
  test(`reads of a page that is left ${how} are all counted`, async (t) => {
    const { proxy, url, page } = await setUp(t, browser);
    await startClient(page, proxy.url);
    await untilSettled(proxy);
    await page.evaluate(() => {
      const { client } = /** @type {any} */ (window).clients.main;
      for (let n = 0; n < 1_000; n += 1) client.variation("dark", true);
      for (let n = 0; n < 234; n += 1) client.variation("size", 1);
    });
    await leave(page, url);
    await proxy.until(() => counted(proxy) >= 1_234);
    assert.equal(counted(proxy, ({ featureIdentifier }) => featureIdentifier === "dark"), 1_000);
    assert.equal(counted(proxy, ({ featureIdentifier }) => featureIdentifier === "size"), 234);
  });
}

test("reads of a page that is left while the first post is under way are all counted", async (t) => {
  const { proxy, url, page } = await setUp(t, browser);
  await startClient(page, proxy.url);
  await untilSettled(proxy);
  let release = () => {};
  const held = new Promise((resolve) => (release = () => resolve(undefined)));
  proxy.decide = ({ path }) => (path.includes("/metrics/") && !proxy.requests.some((one) => one.path.includes("/metrics/")) ? { hold: held } : {});
  await page.evaluate(() => {
    const { client } = /** @type {any} */ (window).clients.main;
    for (let n = 0; n < 10; n += 1) client.variation("dark", true);
    client.flush();
    for (let n = 0; n < 7; n += 1) client.variation("dark", true);
  });
  await proxy.until(() => counted(proxy) === 10);
  await page.goto(`${url}other.html`);
  await proxy.until(() => counted(proxy) >= 17);
  release();
  // The reply of the first post cannot reach a page that is gone, so what it brought may have been posted once more.
  assert.ok([17, 27].includes(counted(proxy)), `counted ${counted(proxy)}`);
});

test("a page that is only looked away from posts what was read", async (t) => {
  const { proxy, page } = await setUp(t, browser);
  await startClient(page, proxy.url);
  await untilSettled(proxy);
  await page.evaluate(() => /** @type {any} */ (window).clients.main.client.variation("dark", true));
  await look(page, false);
  await proxy.until(() => counted(proxy) === 1);
});

test("no fetch is asked for when nothing happened to a page that is looked at again", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  await startClient(page, proxy.url);
  // The list that was asked for together with the stream, and the one that confirms it.
  await proxy.until(() => proxy.requests.filter((request) => isFetchOfAll(request) && request.delivered).length === 2);
  const before = proxy.count(isFetchOfAll);
  await look(page, false);
  await look(page, true);
  server.editFlags((text) => text.replace("classic", "sunset"));
  await untilServed(page, "theme", "sunset");
  assert.equal(proxy.count(isFetchOfAll), before);
});

/**
 * Playwright keeps every page visible, so what the page sees of it is made here.
 *
 * @param {import("playwright-core").Page} page
 * @param {boolean} visible
 */
async function look(page, visible) {
  await page.evaluate((visible) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => !visible });
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (visible ? "visible" : "hidden") });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  }, visible);
}
