// Many tabs of one origin, and many clients in one tab.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { startClient, told, untilServed } from "../lib/client-page.mjs";
import { openTabs, setUp, untilSettled } from "./support.mjs";

const browser = await startBrowser({ after });

for (const transport of ["fetch", "eventsource"]) {
  test(`nine tabs have one stream, and the origin's other connections stay free: ${transport}`, async (t) => {
    const { server, proxy, url } = await setUp(t, browser);
    const tabs = await openTabs(t, browser, url, 9);
    for (const tab of tabs) await startClient(tab, proxy.url, { options: { streamTransport: transport } });
    await untilSettled(proxy);

    server.editFlags((text) => text.replace("classic", "sunset"));
    await Promise.all(tabs.map((tab) => untilServed(tab, "theme", "sunset")));
    assert.equal(proxy.streams.size, 1);
    const overview = await (await fetch(`${server.url}/admin/state`)).json();
    assert.equal(overview.streams, 1);
    // Six requests at once, as many as the browser allows to an origin, while the stream stays open.
    const statuses = await tabs[3].evaluate(
      (base) => Promise.all(Array.from({ length: 6 }, (_, n) => fetch(`${base}/live?${n}`, { mode: "no-cors" }).then(({ type }) => type))),
      proxy.url,
    );
    assert.equal(statuses.length, 6);
    for (const tab of tabs) {
      const { changes } = await told(tab);
      assert.deepEqual(changes.filter(({ flag }) => flag === "theme").map(({ value }) => value), ["classic", "sunset"]);
    }
  });
}

test("nine clients in one page have one stream, and the origin's other connections stay free", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  for (let n = 0; n < 9; n += 1) await startClient(page, proxy.url, { name: `client-${n}` });
  await untilSettled(proxy);
  server.editFlags((text) => text.replace("classic", "sunset"));
  for (let n = 0; n < 9; n += 1) await untilServed(page, "theme", "sunset", `client-${n}`);
  assert.equal(proxy.streams.size, 1);
  await page.evaluate((base) => fetch(`${base}/live`, { mode: "no-cors" }), proxy.url);
});

for (
  const [how, end] of /** @type {[string, (tab: import("playwright-core").Page) => Promise<unknown>][]} */ ([
    ["is closed", (tab) => tab.close()],
    ["closes its client", (tab) => tab.evaluate(() => /** @type {any} */ (window).clients.main.client.close())],
    ["goes elsewhere", (tab) => tab.goto("about:blank")],
    ["crashes", crash],
  ])
) {
  test(`when the leading tab ${how} another one takes over, and no change is lost`, async (t) => {
    const { server, proxy, url } = await setUp(t, browser);
    const tabs = await openTabs(t, browser, url, 3);
    for (const tab of tabs) await startClient(tab, proxy.url);
    await untilSettled(proxy);
    const [first] = proxy.streams.keys();

    await end(tabs[0]);
    // Changed while nobody may be listening.
    server.editFlags((text) => text.replace("classic", "sunset"));
    await Promise.all(tabs.slice(1).map((tab) => untilServed(tab, "theme", "sunset")));
    await proxy.until(() => proxy.streams.size === 1 && ![...proxy.streams.keys()].includes(first));
    server.editFlags((text) => text.replace("sunset", "ocean"));
    await Promise.all(tabs.slice(1).map((tab) => untilServed(tab, "theme", "ocean")));
    assert.equal(proxy.streams.size, 1);
    for (const tab of tabs.slice(1)) {
      const { changes } = await told(tab);
      assert.deepEqual(changes.filter(({ flag }) => flag === "theme").map(({ value }) => value), ["classic", "sunset", "ocean"]);
    }
  });
}

for (const missing of ["locks", "BroadcastChannel"]) {
  test(`without ${missing} each tab streams alone`, async (t) => {
    const { server, proxy, url } = await setUp(t, browser);
    const tabs = await openTabs(t, browser, url, 0);
    const context = await browser.newContext();
    t.after(() => context.close());
    await context.addInitScript((missing) => {
      if (missing === "locks") Object.defineProperty(Navigator.prototype, "locks", { get: () => undefined });
      else delete (/** @type {any} */ (window)[missing]);
    }, missing);
    for (let n = 0; n < 2; n += 1) {
      const tab = await context.newPage();
      await tab.goto(url);
      await startClient(tab, proxy.url);
      tabs.push(tab);
    }
    await untilSettled(proxy, 2);
    server.editFlags((text) => text.replace("classic", "sunset"));
    await Promise.all(tabs.map((tab) => untilServed(tab, "theme", "sunset")));
  });
}

test("other targets and other options of sharing have streams of their own", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  await startClient(page, proxy.url, { name: "ada" });
  await startClient(page, proxy.url, { name: "grace", target: { identifier: "grace" } });
  await startClient(page, proxy.url, { name: "alone", options: { shareStream: false } });
  await proxy.until(() => proxy.streams.size === 3);
  server.editFlags((text) => text.replace("classic", "sunset"));
  for (const name of ["ada", "grace", "alone"]) await untilServed(page, "theme", "sunset", name);
});

test("a page in a sandbox, where locks and storage are refused, streams alone", async (t) => {
  const { server, proxy, url } = await setUp(t, browser);
  const [page] = await openTabs(t, browser, url, 1);
  await page.evaluate(
    ({ url, base }) => {
      const script = `
        import { initialize } from "${url}index.js";
        const client = initialize("flagwire-dev-client-key", { identifier: "ada" }, { baseUrl: "${base}", cache: true });
        client.onFlag("theme", (value) => (document.body.dataset.theme = value));`;
      const frame = document.createElement("iframe");
      // Its origin is opaque.
      frame.setAttribute("sandbox", "allow-scripts");
      frame.srcdoc = `<body><script type="module">${script}</script>`;
      document.body.append(frame);
    },
    { url, base: proxy.url },
  );
  const served = (/** @type {string} */ theme) => page.frames()[1].waitForFunction((theme) => document.body.dataset.theme === theme, theme, { polling: 20, timeout: 0 });
  await served("classic");
  await proxy.until(() => proxy.streams.size === 1);
  server.editFlags((text) => text.replace("classic", "sunset"));
  await served("sunset");
});

/** Kills the renderer, as a lack of memory would. @param {import("playwright-core").Page} tab */
async function crash(tab) {
  const session = await tab.context().newCDPSession(tab);
  const crashed = tab.waitForEvent("crash");
  session.send("Page.crash").catch(() => undefined); // nobody is left to answer
  await crashed;
}
