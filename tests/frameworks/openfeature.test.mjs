// `flagwire/openfeature` in OpenFeature's web SDK, and in its React SDK, in Chromium.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { FLAGS } from "../lib/flags.mjs";

const browser = await startBrowser({ after });
const CONTEXT = { targetingKey: "user-42", plan: "gold" };
const SCRIPT = `
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
import { OpenFeatureProvider, useFlag } from "@openfeature/react-sdk";
import { createRoot } from "react-dom/client";
import { FlagwireWebProvider } from "flagwire/openfeature";

window.log = [];
window.tracked = [];
window.start = async (key, options, context) => {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  OpenFeature.setLogger(quiet);
  window.client = OpenFeature.getClient();
  for (const event of Object.values(ProviderEvents)) OpenFeature.addHandler(event, (details) => log.push([event, details.flagsChanged ?? details.errorCode ?? null]));
  try {
    await OpenFeature.setProviderAndWait((window.provider = new FlagwireWebProvider(key, { ...options, logger: quiet, onTrack: (...event) => tracked.push(event) })), context);
  } catch (error) {
    return error.code;
  }
};
window.OpenFeature = OpenFeature;
function App() {
  return <p id="theme">{useFlag("theme", "default").value}</p>;
}
window.render = () => createRoot(document.getElementById("root")).render(<OpenFeatureProvider><App /></OpenFeatureProvider>);
`;

/** @param {import("../lib/scope.mjs").Scope} t @param {{ key?: string, context?: object, options?: object }} [options] */
async function start(t, { key = CLIENT_KEY, context = CONTEXT, options = {} } = {}) {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT, { alias: { "@openfeature/web-sdk": "@openfeature/web-sdk" } }));
  const failed = await page.evaluate(([key, options, context]) => window.start(key, options, context), /** @type {const} */ ([key, { baseUrl: server.url, ...options }, context]));
  return { server, page, failed };
}

/** Waits for an event. @param {import("playwright-core").Page} page @param {string} name */
const event = (page, name) => page.waitForFunction((name) => window.log.find(([event]) => event === name), name).then((it) => it.jsonValue());
/** @param {import("playwright-core").Page} page */
const forget = (page) => page.evaluate(() => void (window.log.length = 0));

test("is ready once, with the values of every type, variants and reasons", async (t) => {
  const { page, failed } = await start(t);
  assert.equal(failed, undefined);
  await page.evaluate(() => window.client.providerStatus);
  const details = await page.evaluate(() => [
    window.client.getBooleanDetails("free-shipping", false),
    window.client.getStringDetails("theme", "default"),
    window.client.getNumberDetails("page-size", -1),
    window.client.getObjectDetails("limits", {}),
  ]);
  assert.deepEqual(
    details.map(({ value, variant, errorCode }) => [value, variant, errorCode]),
    [
      [true, "true", undefined],
      ["classic", "classic", undefined],
      [4, "small", undefined],
      [{ rps: 10, regions: ["eu"] }, "free", undefined],
    ],
  );
  assert.ok(details.every(({ reason }) => reason === "TARGETING_MATCH" || reason === "STALE"));
  assert.deepEqual(await page.evaluate(() => window.log.filter(([event]) => event === "PROVIDER_READY").length), 1);
  assert.deepEqual(await page.evaluate(() => window.log.filter(([event]) => event === "PROVIDER_CONFIGURATION_CHANGED")), []);
});

test("says why a default was given", async (t) => {
  const { page } = await start(t);
  const details = await page.evaluate(() => [
    window.client.getBooleanDetails("no-such-flag", true),
    window.client.getBooleanDetails("theme", true),
    window.client.getObjectDetails("theme", null),
  ]);
  assert.deepEqual(
    details.map(({ value, reason, errorCode }) => [value, reason, errorCode]),
    [
      [true, "ERROR", "FLAG_NOT_FOUND"],
      [true, "ERROR", "TYPE_MISMATCH"],
      [null, "ERROR", "TYPE_MISMATCH"],
    ],
  );
});

test("tells of changes, with the flags that changed", async (t) => {
  const { server, page } = await start(t);
  await server.request(({ path }) => path.endsWith("/stream") || path.includes("/stream"));
  await forget(page);
  server.editFlags((text) => text.replace("default: classic", "default: ocean"));
  assert.deepEqual(await event(page, "PROVIDER_CONFIGURATION_CHANGED"), ["PROVIDER_CONFIGURATION_CHANGED", ["theme"]]);
  assert.equal(await page.evaluate(() => window.client.getStringValue("theme", "default")), "ocean");
});

test("switches the target with the context, which is no change of configuration", async (t) => {
  const { page } = await start(t);
  await forget(page);
  const value = await page.evaluate(async () => {
    await window.OpenFeature.setContext({ targetingKey: "user-43", plan: "free" });
    return window.client.getBooleanValue("free-shipping", true);
  });
  assert.equal(value, false);
  const events = await page.evaluate(() => window.log.map(([event]) => event));
  assert.ok(events.includes("PROVIDER_CONTEXT_CHANGED"), events.join());
  assert.ok(!events.includes("PROVIDER_CONFIGURATION_CHANGED"), events.join());
});

test("is stale while the server is away, and ready when it is back", async (t) => {
  const { server, page } = await start(t, { options: { streamTransport: "fetch" } });
  await page.waitForFunction(() => window.client.getStringDetails("theme", "default").reason === "TARGETING_MATCH");
  await forget(page);
  await server.stop();
  await event(page, "PROVIDER_STALE");
  assert.deepEqual(
    await page.evaluate(() => window.client.getStringDetails("theme", "default")).then(({ value, reason }) => [value, reason]),
    ["classic", "STALE"],
  );
  await server.start();
  // Not to wait for the next attempt.
  await page.evaluate(() => dispatchEvent(new globalThis.Event("online")));
  await event(page, "PROVIDER_READY");
});

test("a wrong key is fatal", async (t) => {
  const { page, failed } = await start(t, { key: "no-such-key" });
  assert.equal(failed, "PROVIDER_FATAL");
  await event(page, "PROVIDER_ERROR");
  assert.equal(await page.evaluate(() => window.client.providerStatus), "FATAL");
});

test("a context without targeting key is an error that says so", async (t) => {
  const { failed } = await start(t, { context: { plan: "gold" } });
  assert.equal(failed, "TARGETING_KEY_MISSING");
});

test("ends its client when another provider takes its place", async (t) => {
  const { server, page } = await start(t);
  await server.request(({ path }) => path.includes("/stream"));
  const value = await page.evaluate(async () => {
    const { provider } = { provider: window.OpenFeature.getProvider() };
    const inner = provider.client;
    await window.OpenFeature.clearProviders();
    return inner.state().status;
  });
  assert.equal(value, "closed");
});

test("hands on what the application tracks, with the context", async (t) => {
  const { page } = await start(t);
  await page.evaluate(() => window.client.track("checkout", { value: 99.5, currency: "EUR" }));
  assert.deepEqual(await page.evaluate(() => window.tracked), [["checkout", CONTEXT, { value: 99.5, currency: "EUR" }]]);
});

test("a context that names nobody is an error, and the next one mends it", async (t) => {
  const { page } = await start(t);
  /** @param {object} context */
  const statusIn = (context) => page.evaluate((context) => window.OpenFeature.setContext(context).then(() => window.client.providerStatus), context);
  assert.equal(await statusIn({ plan: "gold" }), "ERROR");
  assert.equal(await statusIn({ targetingKey: "user-43", plan: "free" }), "READY");
  assert.equal(await page.evaluate(() => window.client.getBooleanValue("free-shipping", true)), false);
});

test("once closed it is not ready, and can be initialised again", async (t) => {
  const { page } = await start(t);
  const read = () => page.evaluate(() => window.provider.resolveStringEvaluation("theme", "default"));
  await page.evaluate(() => window.provider.onClose());
  const { value, reason, errorCode } = await read();
  assert.deepEqual([value, reason, errorCode], ["default", "ERROR", "PROVIDER_NOT_READY"]);
  await page.evaluate((context) => window.provider.initialize(context), CONTEXT);
  assert.equal((await read()).value, "classic");
});

test("drives OpenFeature's React SDK", async (t) => {
  const { server, page } = await start(t);
  await server.request(({ path }) => path.includes("/stream"));
  await page.evaluate(() => window.render());
  await page.locator("#theme", { hasText: "classic" }).waitFor();
  server.editFlags((text) => text.replace("default: classic", "default: ocean"));
  await page.locator("#theme", { hasText: "ocean" }).waitFor();
});
