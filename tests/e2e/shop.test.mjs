// The example shop in Chromium against a real server: what a newcomer does in the first minutes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { serveExample } from "../lib/example.mjs";
import { startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });

/**
 * A server with its sample flags, the shop built for it, and the shop open and live.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string[]} [args] of the server
 */
async function openShop(t, args) {
  const server = await startServer(t, { args });
  const page = await openPage(t, browser, await serveExample(t, server.url));
  await state(page, "ready");
  // Gone after a reload: what changes below must change in this very document.
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  return { server, page };
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} status
 */
async function state(page, status) {
  await page.locator(`.state[data-status="${status}"]`).waitFor();
}

/** @param {import("playwright-core").Page} page */
async function assertNotReloaded(page) {
  assert.equal(await page.evaluate(() => "sameDocument" in window), true, "the page was reloaded");
}

test("the README's tour works as it is written", async (t) => {
  const tour = /^## A minute's tour\n([^]*?)^## /m.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1] ?? "";
  const [, before = "?", now = ""] = /change `([^`]+)`\s+to\s+`([^`]+)`/.exec(tour) ?? [];
  const { server, page } = await openShop(t);
  await page.locator('html[data-scheme="light"]').waitFor();
  const sample = readFileSync(server.flagsFile, "utf8");
  assert.equal(sample.split(before).length, 2, `the sample has "${before}" in one place`);

  server.editFlags((text) => text.replace(before, now));
  await page.locator('html[data-scheme="dark"]').waitFor();
  server.editFlags((text) => text.replace(now, `${now}\n  ${now}`));
  await server.line(/flags\.yaml:\d+:\d+/);
  server.editFlags((text) => text.replace(`${now}\n  ${now}`, now));

  const admin = await openPage(t, browser, server.url);
  await admin.getByRole("switch", { name: "dark-mode is on", checked: true }).click();
  await page.locator('html[data-scheme="light"]').waitFor();
  assert.equal(readFileSync(server.flagsFile, "utf8"), sample.replace(before, "dark-mode: { value: true, state: off }"));

  await page.getByText("Maya").click();
  await page.locator(".shipping.free").waitFor();
  await assertNotReloaded(page);
});

test("saving the flags file changes the open shop: colours, palette, shelf, announcement", async (t) => {
  const { server, page } = await openShop(t);
  await page.locator('html[data-scheme="light"][data-theme="classic"]').waitFor();
  assert.equal(await page.locator(".card").count(), 8);
  assert.match(await page.locator("#banner").innerText(), /Autumn sale/);

  server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true"));
  await page.locator('html[data-scheme="dark"]').waitFor();

  server.editFlags((text) =>
    text
      .replace("default: classic", "default: ocean")
      .replace("default: grid", "default: list")
      .replace("default: medium", "default: small")
      .replace("default: sale", "default: launch")
  );
  await page.locator('html[data-theme="ocean"]').waitFor();
  await page.locator('.products[data-layout="list"]').waitFor();
  await page.getByText("4 of 14 coffees").waitFor();
  await page.locator('.banner[data-tone="cool"]').getByText("New: cold brew").waitFor();
  assert.equal(await page.locator(".card").count(), 4);
  await assertNotReloaded(page);

  await page.getByRole("button", { name: "Flags" }).click();
  const changes = await page.locator(".changes code").allInnerTexts();
  assert.deepEqual([...changes].sort(), ["banner", "dark-mode", "layout", "page-size", "theme"]);
});

test("flipping a switch on the server's page changes the open shop, and the file keeps its comments", async (t) => {
  const { server, page } = await openShop(t);
  await page.locator("#banner").getByText("Autumn sale").waitFor();
  const admin = await openPage(t, browser, server.url);

  // The switch is the flag's state, and its value stands beside it: the shop is light while that is false, and while it is off.
  await admin.getByRole("combobox", { name: "Default variation of dark-mode" }).selectOption("true");
  await page.locator('html[data-scheme="dark"]').waitFor();
  await admin.getByRole("switch", { name: "dark-mode is on", checked: true }).click();
  await page.locator('html[data-scheme="light"]').waitFor();
  await admin.getByRole("switch", { name: "dark-mode is on", checked: false }).click();
  await page.locator('html[data-scheme="dark"]').waitFor();
  await admin.getByRole("combobox", { name: "Default variation of dark-mode" }).selectOption("false");
  await page.locator('html[data-scheme="light"]').waitFor();

  await admin.getByRole("switch", { name: "banner" }).click();
  await page.locator("#banner").waitFor({ state: "hidden" });
  await admin.getByRole("switch", { name: "banner" }).click();
  await page.locator("#banner").waitFor({ state: "visible" });

  await admin.getByRole("combobox", { name: "Default variation of theme" }).selectOption("sunset");
  await page.locator('html[data-theme="sunset"]').waitFor();
  await assertNotReloaded(page);

  const text = readFileSync(server.flagsFile, "utf8");
  assert.match(text, /default: sunset/);
  assert.match(text, /# Dark colours for everybody\? Try `true`.\n  dark-mode: false\n/);
});

test("a patch without evaluations leads to one request for that flag and nothing more", async (t) => {
  const { server, page } = await openShop(t, ["--event-evaluations", "false"]);
  await server.stream();
  // The full fetch that confirms the first one after the stream has opened must be over, too: until then a change could
  // be found by it. It is the second request of the kind.
  await server.request(() => server.requests.filter(isFullFetch).length >= 2);
  server.forgetRequests();

  server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true"));
  await page.locator('html[data-scheme="dark"]').waitFor();
  // A second change, waited for: had the first led to anything more, it would stand between the two.
  server.editFlags((text) => text.replace("default: classic", "default: sunset"));
  await page.locator('html[data-theme="sunset"]').waitFor();
  await server.request(({ path }) => path.endsWith("/evaluations/theme"));

  const asked = (await server.answered()).filter(isClientTraffic).map(({ method, path }) => `${method} ${path.replace(/.*(?=\/evaluations)/, "…")}`);
  assert.deepEqual(asked, ["GET …/evaluations/dark-mode", "GET …/evaluations/theme"]);
  await assertNotReloaded(page);
});

test("a change with evaluations needs no request at all", async (t) => {
  const { server, page } = await openShop(t);
  await server.request(() => server.requests.filter(isFullFetch).length >= 2);
  server.forgetRequests();

  server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true"));
  await page.locator('html[data-scheme="dark"]').waitFor();
  server.editFlags((text) => text.replace("default: classic", "default: sunset"));
  await page.locator('html[data-theme="sunset"]').waitFor();
  assert.deepEqual((await server.answered()).filter(isClientTraffic), []);
});

test("shopping as somebody else fetches that person's values, without a reload", async (t) => {
  const { page } = await openShop(t);
  await page.getByText("8 of 14 coffees").waitFor();
  assert.equal(await page.locator(".shipping.free").count(), 0);

  await page.getByText("Maya").click();
  await page.locator(".shipping.free").waitFor();
  await page.getByText("Priya").click();
  await page.getByText("12 of 14 coffees").waitFor();
  await page.locator(".shipping:not(.free)").waitFor();
  await assertNotReloaded(page);
});

test("the first thing drawn has the server's values, on the first visit and on a reload without the server", async (t) => {
  const server = await startServer(t, { flags: "flags:\n  dark-mode: true\n  theme: sunset\n" });
  const url = await serveExample(t, server.url);
  const page = await openPage(t, browser, "about:blank");
  // Records every look that the visible page ever had.
  await page.addInitScript(() => {
    const looks = /** @type {string[]} */ ([]);
    Object.assign(window, { looks });
    const note = () => {
      const { scheme, theme, booting } = document.documentElement.dataset;
      if (booting === undefined) looks.push(`${scheme} ${theme}`);
    };
    addEventListener("DOMContentLoaded", note);
    new MutationObserver(note).observe(document, { attributes: true, subtree: true, attributeFilter: ["data-scheme", "data-theme", "data-booting"] });
  });
  const looks = () => page.evaluate(() => [...new Set(/** @type {any} */ (window).looks)]);

  await page.goto(url);
  await state(page, "ready");
  assert.deepEqual(await looks(), ["dark sunset"]);

  await server.stop();
  await page.reload();
  await page.locator(".card").first().waitFor();
  assert.deepEqual(await looks(), ["dark sunset"]);
});

test("a flag taken out of the file falls back to the shop's default", async (t) => {
  const server = await startServer(t, { flags: "flags:\n  dark-mode: true\n  page-size: 4\n" });
  const page = await openPage(t, browser, await serveExample(t, server.url));
  await page.getByText("4 of 14 coffees").waitFor();
  server.editFlags(() => "flags:\n  dark-mode: true\n");
  await page.getByText("8 of 14 coffees").waitFor();
});

/** @param {import("../lib/server.mjs").LoggedRequest} request */
function isFullFetch({ method, path }) {
  return method === "GET" && path.endsWith("/evaluations");
}

/**
 * Requests of the SDK, without the count of reads that it posts once a minute at most.
 *
 * @param {import("../lib/server.mjs").LoggedRequest} request
 */
function isClientTraffic({ path }) {
  return /\/client\//.test(path) && !path.includes("/metrics");
}
