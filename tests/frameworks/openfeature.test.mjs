// `flagwire/openfeature` in OpenFeature's web SDK, and in its React SDK, in Chromium.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { blocksOf } from "../lib/markdown.mjs";
import { startProxy } from "../lib/proxy.mjs";
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
  window.statuses = [];
  OpenFeature.addHandler(ProviderEvents.Ready, () => statuses.push(client.providerStatus));
  try {
    await OpenFeature.setProviderAndWait((window.provider = new FlagwireWebProvider(key, { ...options, logger: quiet, onTrack: (...event) => tracked.push(event) })), context);
  } catch (error) {
    return error.code;
  }
};
window.OpenFeature = OpenFeature;
window.read = (flag) => {
  const { value, reason, errorCode } = client.getBooleanDetails(flag, false);
  return errorCode ? [value, reason, errorCode] : [value, reason];
};
function App() {
  return <><p id="theme">{useFlag("theme", "default").value}</p><p id="free-shipping">{String(useFlag("free-shipping", false).value)}</p></>;
}
window.render = () => createRoot(document.getElementById("root")).render(<OpenFeatureProvider><App /></OpenFeatureProvider>);
`;

/** Another user, whose `free-shipping` is false. */
const OTHER = { targetingKey: "user-43", plan: "free" };

/**
 * A page with a provider, and a server that can be out of reach.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {{ key?: string, context?: object, options?: object, fault?: import("../lib/proxy.mjs").Fault }} [options] `fault` is what requests
 *   suffer until `heal` is called
 */
async function startAway(t, { fault = {}, ...options } = {}) {
  const upstream = await startServer(t, { flags: FLAGS });
  const proxy = await startProxy(t, upstream.url);
  /** @param {import("../lib/proxy.mjs").Fault} fault */
  const suffer = (fault) => void (proxy.decide = () => fault);
  suffer(fault);
  const { page, failed } = await start(t, { ...options, options: { baseUrl: proxy.url, streamTransport: "fetch", readyTimeout: 300, ...options.options }, server: upstream });
  // However slow the machine is: the limit is short where the server is to be out of reach.
  if (!fault.refuse && (!failed || failed === "GENERAL")) await event(page, "PROVIDER_READY");
  /** @param {string} flag */
  const read = (flag) => page.evaluate((flag) => window.read(flag), flag);
  /** Sets the context, and says what OpenFeature says as soon as that has settled. @param {object} context */
  const setContext = (context) => page.evaluate((context) => window.OpenFeature.setContext(context).then(() => [window.client.providerStatus, ...window.read("free-shipping")]), context);
  return { proxy, page, failed, suffer, read, setContext, heal: () => suffer({}) };
}
const HANG = /** @type {const} */ ({ refuse: "hang" });

/** @param {import("../lib/scope.mjs").Scope} t @param {{ key?: string, context?: object, options?: object, server?: import("../lib/server.mjs").TestServer }} [options] */
async function start(t, { key = CLIENT_KEY, context = CONTEXT, options = {}, server: upstream } = {}) {
  const server = upstream ?? (await startServer(t, { flags: FLAGS }));
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT, { alias: { "@openfeature/web-sdk": "@openfeature/web-sdk" } }));
  // The default of five seconds may pass before a busy machine is ready.
  const failed = await page.evaluate(([key, options, context]) => window.start(key, options, context), /** @type {const} */ ([key, { baseUrl: server.url, readyTimeout: 30_000, ...options }, context]));
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
  // By which rule, the server does not say.
  await page.waitForFunction(() => window.client.getBooleanDetails("free-shipping", false).reason === "UNKNOWN");
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
  await server.stream();
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
  await page.waitForFunction(() => window.client.getStringDetails("theme", "default").reason === "UNKNOWN");
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

test("a refused key stays fatal when the context changes", async (t) => {
  const { setContext } = await startAway(t, { key: "no-such-key", options: { readyTimeout: 30_000 } });
  assert.deepEqual(await setContext(OTHER), ["FATAL", false, "ERROR", "PROVIDER_FATAL"]);
  assert.deepEqual(await setContext({}), ["FATAL", false, "ERROR", "PROVIDER_FATAL"]);
});

test("a key that is revoked later is fatal, and is told", async (t) => {
  const { proxy, page, suffer, read } = await startAway(t);
  await page.evaluate(() => window.render());
  await page.locator("#free-shipping", { hasText: "true" }).waitFor();
  await proxy.until(() => proxy.streams.size > 0);
  await forget(page);
  suffer({ answer: { status: 401 } });
  proxy.cutAll();
  assert.deepEqual(await event(page, "PROVIDER_ERROR"), ["PROVIDER_ERROR", "PROVIDER_FATAL"]);
  assert.equal(await page.evaluate(() => window.client.providerStatus), "FATAL");
  assert.deepEqual(await read("free-shipping"), [false, "ERROR", "PROVIDER_FATAL"]);
  await page.locator("#free-shipping", { hasText: "false" }).waitFor();
});

test("closing ends what waits", async (t) => {
  const { page, heal } = await startAway(t, { context: {}, fault: HANG, options: { readyTimeout: 30_000 } });
  const outcome = await page.evaluate(async (context) => {
    const changing = window.OpenFeature.setContext(context);
    await window.OpenFeature.clearProviders();
    await changing;
    return window.log.filter(([event]) => event === "PROVIDER_READY" || event === "PROVIDER_CONTEXT_CHANGED");
  }, CONTEXT);
  assert.deepEqual(outcome, []);
  heal();
});

test("is set before there is a targeting key, and starts when there is one", async (t) => {
  const { proxy, page, failed, read, setContext } = await startAway(t, { context: {}, options: { readyTimeout: 30_000 } });
  assert.equal(failed, "TARGETING_KEY_MISSING");
  assert.equal(await page.evaluate(() => window.client.providerStatus), "ERROR");
  assert.deepEqual(await read("free-shipping"), [false, "ERROR", "TARGETING_KEY_MISSING"]);
  assert.equal(proxy.requests.length, 0);
  assert.deepEqual(await page.evaluate(() => window.statuses), []);
  const [status, value] = await setContext(CONTEXT);
  assert.deepEqual([status, value], ["READY", true]);
});

test("ends its start after the limit, and is ready when the values come", async (t) => {
  const { page, failed, read, heal } = await startAway(t, { fault: { refuse: "reset" } });
  assert.equal(failed, "GENERAL");
  assert.equal(await page.evaluate(() => window.client.providerStatus), "ERROR");
  assert.deepEqual(await read("free-shipping"), [false, "ERROR", "PROVIDER_NOT_READY"]);
  await page.evaluate(() => window.render());
  await page.locator("#free-shipping", { hasText: "false" }).waitFor();
  heal();
  await event(page, "PROVIDER_READY");
  await page.locator("#free-shipping", { hasText: "true" }).waitFor();
  assert.deepEqual(await page.evaluate(() => window.statuses), ["READY"]);
});

test("is ready at once with values at hand, stale while the server does not answer, and ready when it does", async (t) => {
  const bootstrap = [{ flag: "free-shipping", identifier: "true", value: "true", kind: "boolean" }];
  const { page, failed, read, heal, suffer, setContext } = await startAway(t, { fault: HANG, options: { bootstrap, authRequestReadTimeout: 1000 } });
  assert.equal(failed, undefined);
  assert.deepEqual(await read("free-shipping"), [true, "CACHED"]);
  await event(page, "PROVIDER_STALE");
  assert.equal(await page.evaluate(() => window.client.providerStatus), "STALE");
  await forget(page);
  heal();
  await event(page, "PROVIDER_READY");
  assert.deepEqual(await read("free-shipping"), [true, "UNKNOWN"]);
  // They were the first user's.
  suffer(HANG);
  await setContext({});
  assert.deepEqual(await setContext(OTHER), ["ERROR", false, "ERROR", "PROVIDER_NOT_READY"]);
});

test("a change of user ends after the limit with defaults, and is ready when the values come", async (t) => {
  const { page, read, suffer, heal, setContext } = await startAway(t);
  await page.evaluate(() => window.render());
  await page.locator("#free-shipping", { hasText: "true" }).waitFor();
  suffer({ refuse: "reset" });
  const other = { targetingKey: "user-44", plan: "gold" };
  assert.deepEqual(await setContext(other), ["ERROR", false, "ERROR", "PROVIDER_NOT_READY"]);
  await page.locator("#free-shipping", { hasText: "false" }).waitFor();
  await forget(page);
  heal();
  await event(page, "PROVIDER_READY");
  await page.locator("#free-shipping", { hasText: "true" }).waitFor();
  assert.equal(await page.evaluate(() => window.client.providerStatus), "READY");
  assert.equal((await read("free-shipping"))[0], true);
});

test("the same user with other attributes keeps the last values while the server is away, as stale", async (t) => {
  const { page, suffer, heal, read, setContext } = await startAway(t);
  suffer({ refuse: "reset" });
  assert.deepEqual(await setContext({ ...CONTEXT, plan: "free" }), ["STALE", true, "STALE"]);
  await forget(page);
  heal();
  await event(page, "PROVIDER_READY");
  assert.equal((await read("free-shipping"))[0], false);
});

test("who logs out has defaults at once, and who logs in next never has the last one's values", async (t) => {
  const { page, suffer, heal, setContext } = await startAway(t);
  await page.evaluate(() => window.render());
  await page.locator("#free-shipping", { hasText: "true" }).waitFor();
  const [reads, status] = await page.evaluate(async () => {
    const before = window.provider.client;
    const settled = window.OpenFeature.setContext({});
    const reads = [window.read("free-shipping")];
    await settled;
    return [[...reads, window.read("free-shipping")], before.state().status];
  });
  assert.deepEqual(reads, Array.from({ length: 2 }, () => [false, "ERROR", "TARGETING_KEY_MISSING"]));
  assert.equal(status, "closed");
  await page.locator("#free-shipping", { hasText: "false" }).waitFor();
  suffer(HANG);
  assert.deepEqual(await setContext(OTHER), ["ERROR", false, "ERROR", "PROVIDER_NOT_READY"]);
  heal();
  await setContext(CONTEXT);
  await page.locator("#free-shipping", { hasText: "true" }).waitFor();
});

test("of several changes in quick succession the last wins, and no failed one sticks", async (t) => {
  const { page } = await startAway(t, { options: { readyTimeout: 30_000 } });
  const outcome = await page.evaluate(
    async ([one, other]) => {
      const set = (/** @type {object} */ context) => window.OpenFeature.setContext(context);
      const circle = /** @type {Record<string, unknown>} */ ({ targetingKey: "user-45" });
      circle.circle = circle;
      log.length = 0;
      await Promise.all([set(other), set({}), set(one), set({ plan: "gold" }), set(circle), set(other), set(one)]);
      return [window.client.providerStatus, window.read("free-shipping")[0], window.log.filter(([event]) => event === "PROVIDER_CONTEXT_CHANGED").length];
    },
    /** @type {const} */ ([CONTEXT, OTHER]),
  );
  assert.deepEqual(outcome, ["READY", true, 1]);
  const last = await page.evaluate(async (one) => {
    await Promise.all([window.OpenFeature.setContext(one), window.OpenFeature.setContext({})]);
    return [window.client.providerStatus, ...window.read("free-shipping")];
  }, CONTEXT);
  assert.deepEqual(last, ["ERROR", false, "ERROR", "TARGETING_KEY_MISSING"]);
});

test("a context without targeting key is an error that says so", async (t) => {
  const { failed } = await start(t, { context: { plan: "gold" } });
  assert.equal(failed, "TARGETING_KEY_MISSING");
});

test("ends its client when another provider takes its place", async (t) => {
  const { server, page } = await start(t);
  await server.stream();
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

test("a context that cannot be sent is an error with defaults, and the next one mends it", async (t) => {
  const { page, setContext } = await startAway(t, { options: { readyTimeout: 30_000 } });
  const refused = await page.evaluate(async () => {
    const context = /** @type {Record<string, unknown>} */ ({ targetingKey: "user-43" });
    context.self = context;
    await window.OpenFeature.setContext(context);
    return [window.client.providerStatus, ...window.read("free-shipping")];
  });
  assert.deepEqual(refused, ["ERROR", false, "ERROR", "INVALID_CONTEXT"]);
  assert.deepEqual((await setContext(CONTEXT)).slice(0, 2), ["READY", true]);
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
  await server.stream();
  await page.evaluate(() => window.render());
  await page.locator("#theme", { hasText: "classic" }).waitFor();
  server.editFlags((text) => text.replace("default: classic", "default: ocean"));
  await page.locator("#theme", { hasText: "ocean" }).waitFor();
});

test("the guide's code starts before anybody has signed in, and follows who does", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const [{ text = "" } = {}] = blocksOf("docs/guides/openfeature.md");
  const script = `${text}\nObject.assign(window, { flags, signedIn, signedOut, OpenFeature });`;
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, script, { define: { KEY: JSON.stringify(CLIENT_KEY), FLAGS: JSON.stringify(server.url) } }));
  const seen = await page.evaluate(async () => {
    const read = () => [window.flags.providerStatus, window.flags.getBooleanValue("free-shipping", false)];
    const before = read();
    await window.signedIn({ id: "user-42", plan: "gold" });
    // Where its limit has passed, the values come later.
    while (window.flags.providerStatus !== "READY") await new Promise((resolve) => setTimeout(resolve, 20));
    const during = read();
    await window.signedOut();
    return [before, during, read()];
  });
  assert.deepEqual(seen.slice(1), [["READY", true], ["ERROR", false]]);
  assert.equal(seen[0]?.[1], false);
});
