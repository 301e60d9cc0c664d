// `flagwire/overrides` in Chromium: what the browser keeps of overrides, and who shares them.

import { deepEqual, equal, match } from "node:assert/strict";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { FLAGS } from "../lib/flags.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const SCRIPT = `
import { initialize } from "flagwire";
import { localOverrides } from "flagwire/overrides";
window.start = (key, baseUrl, settings) => {
  window.client = initialize(key, { identifier: "ada" }, { baseUrl, overrides: localOverrides(settings) });
  // Before the server has answered.
  window.first = client.variation("theme", "default");
};
`;
/** @type {any} */
const window = globalThis;

/** @param {import("../lib/scope.mjs").Scope} t @param {{ before?: () => void, settings?: object }} [options] */
async function begin(t, { before, settings = {} } = {}) {
  const server = await startServer(t, { flags: FLAGS });
  const url = await servePage(t, import.meta.dirname, SCRIPT);
  const context = await browser.newContext();
  t.after(() => context.close());
  if (before) await context.addInitScript(before);
  const open = async () => {
    const page = await context.newPage();
    const warnings = /** @type {string[]} */ ([]);
    page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
    const go = async () => {
      await page.waitForFunction(() => "start" in window);
      await page.evaluate(([key, baseUrl, settings]) => window.start(key, baseUrl, settings), /** @type {const} */ ([CLIENT_KEY, server.url, settings]));
      await page.evaluate(() => window.client.ready());
    };
    await page.goto(url);
    await go();
    return { page, warnings, reload: async () => (await page.reload(), go()) };
  };
  return { server, context, open, url };
}

/** @param {import("playwright-core").Page} page @param {string} flag @param {unknown} value */
const reads = (page, flag, value) => page.waitForFunction(([flag, text]) => JSON.stringify(window.client.variation(flag, null)) === text, /** @type {const} */ ([flag, JSON.stringify(value)]));

test("overrides survive a reload, are there before the server answers, and are named in the console", async (t) => {
  const { open } = await begin(t);
  const { page, warnings, reload } = await open();
  await page.evaluate(() => {
    window.client.override("theme", "ocean");
    window.client.override("limits", null);
  });
  deepEqual(warnings, []);
  await reload();
  equal(await page.evaluate(() => window.first), "ocean");
  deepEqual(await page.evaluate(() => [window.client.variation("theme", ""), window.client.variation("limits", {})]), ["ocean", null]);
  match(warnings[0] ?? "", /flags are overridden in this browser: theme, limits\. client\.clearOverrides\(\) removes/);
  await page.evaluate(() => window.client.clearOverrides());
  await reload();
  deepEqual(await page.evaluate(() => [window.first, window.client.variation("theme", ""), localStorage.length]), ["default", "classic", 0]);
});

test("open tabs follow, and one that is for its tab alone stays there", async (t) => {
  const { open } = await begin(t);
  const [one, two] = [await open(), await open()];
  await two.page.evaluate(() => {
    window.heard = [];
    window.client.onFlag("theme", (/** @type {unknown} */ value) => window.heard.push(value));
  });
  await one.page.evaluate(() => {
    window.client.override("dark-mode", true, { lasts: "tab" });
    window.client.override("theme", "ocean");
  });
  await reads(two.page, "theme", "ocean");
  deepEqual(await two.page.evaluate(() => [window.heard, { ...window.client.overrides() }]), [["ocean"], { theme: "ocean" }]);
  await one.reload();
  await reads(one.page, "dark-mode", true);
  // Setting it for good ends that for the tab, and removing all of them reaches every tab.
  await one.page.evaluate(() => window.client.override("dark-mode", true));
  await reads(two.page, "dark-mode", true);
  await two.page.evaluate(() => window.client.clearOverrides());
  await reads(one.page, "dark-mode", false);
  await one.page.evaluate(() => window.client.override("theme", "ocean"));
  await reads(two.page, "theme", "ocean");
  await one.page.evaluate(() => localStorage.clear());
  await reads(two.page, "theme", "classic");
});

test("what somebody has edited in the storage is read as far as it fits", async (t) => {
  const { open } = await begin(t);
  const { page, reload } = await open();
  for (const text of ["{", "[1]", "null", '{"theme":5,"__proto__":{"x":1},"dark-mode":true}']) {
    await page.evaluate((text) => localStorage.setItem("flagwire-overrides", text), text);
    await reload();
    equal(await page.evaluate(() => window.client.variation("theme", "")), "classic", text);
  }
  equal(await page.evaluate(() => window.client.variation("dark-mode", false)), true);
  equal(await page.evaluate(() => /** @type {any} */ ({}).x), undefined);
});

test("a page without storage has overrides until it is left", async (t) => {
  const before = () => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, {
        get() {
          throw new DOMException("denied", "SecurityError");
        },
      });
    }
  };
  const { open } = await begin(t, { before });
  const { page, reload } = await open();
  await page.evaluate(() => window.client.override("theme", "ocean"));
  await reads(page, "theme", "ocean");
  await reload();
  await reads(page, "theme", "classic");
});

test("a cookie carries them to the server that renders the page, and goes with them", async (t) => {
  const { open, context, url } = await begin(t, { settings: { cookie: true } });
  const cookie = async () => (await context.cookies(url)).find(({ name }) => name === "flagwire-overrides");
  const { page, warnings } = await open();
  equal(await cookie(), undefined);
  await page.evaluate(() => {
    window.client.override("theme", "café; ocean");
    window.client.override("limits", { rps: 1 });
  });
  const { value = "", sameSite, path } = (await cookie()) ?? {};
  deepEqual([JSON.parse(decodeURIComponent(value)), sameSite, path], [{ theme: "café; ocean", limits: { rps: 1 } }, "Lax", "/"]);
  await page.evaluate(() => window.client.override("theme", "x".repeat(5_000)));
  equal(await cookie(), undefined);
  match(warnings.at(-1) ?? "", /the server renders without them/);
  await page.evaluate(() => window.client.override("theme", "ocean"));
  await page.evaluate(() => window.client.clearOverrides());
  equal(await cookie(), undefined);
});

test("a page that does not import the entry has nothing of it", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, 'import { initialize } from "flagwire"; window.start = initialize;'));
  await page.waitForFunction(() => "start" in window);
  const script = await page.evaluate(async () => (await fetch("page.js")).text());
  equal(script.includes("flagwire-overrides"), false);
  const code = await page.evaluate(([key, baseUrl]) => {
    const client = window.start(key, { identifier: "ada" }, { baseUrl });
    try {
      client.override("theme", "ocean");
    } catch (error) {
      return /** @type {any} */ (error).code;
    } finally {
      client.close();
    }
  }, /** @type {const} */ ([CLIENT_KEY, server.url]));
  equal(code, "no-overrides");
});
