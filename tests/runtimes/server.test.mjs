// `flagwire/server` in Node, and its text in a page of Chromium.

import assert from "node:assert/strict";
import { cpSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, test } from "node:test";
import { packageDir } from "../../scripts/lib/products.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { serveFiles } from "../lib/files.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const { dehydrate, fetchEvaluations } = await import(pathToFileURL(join(packageDir, "server.js")).href);
const TARGET = { identifier: "user-42", attributes: { plan: "gold" } };
const NASTY = "</script><script>window.broken = 1</script><!--<script>]]>&amp;\u2028\u2029'\"\\`${1}";
const FLAGS = `flags:
  nasty: { variations: { it: ${JSON.stringify(NASTY)} }, default: it }
  __proto__: { variations: { on: "</script>" }, default: on }
  free-shipping: { default: false, rules: [{ when: { plan: gold }, serve: true }] }
`;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

test("has the evaluations of the request's target, with two requests and nothing left open", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const evaluations = await fetchEvaluations(CLIENT_KEY, TARGET, { baseUrl: server.url });
  assert.deepEqual(evaluations.map((/** @type {any} */ { flag, value }) => [flag, value]), [
    ["__proto__", "</script>"],
    ["free-shipping", "true"],
    ["nasty", NASTY],
  ]);
  // It is logged when it has been answered.
  await server.request(({ method }) => method === "GET");
  assert.deepEqual(server.requests.map(({ method }) => method), ["POST", "GET"]);
});

test("says why there are none", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const pass = limits(t, [1000]);
  await assert.rejects(fetchEvaluations("no-such-key", TARGET, { baseUrl: server.url, logger: quiet }), { name: "FlagwireError", code: "unauthorized", final: true });
  await server.stop();
  // It goes on trying until its limit.
  const logger = { ...quiet, warn: () => setImmediate(pass) };
  const late = await fetchEvaluations(CLIENT_KEY, TARGET, { baseUrl: server.url, timeoutMs: 1000, logger }).catch((/** @type {any} */ error) => error);
  assert.deepEqual([late.name, late.code, late.cause.name, late.cause.code], ["FlagwireError", "timeout", "FlagwireError", "network"]);
});

test("an outage costs one call in some seconds its timeout, and its end is found", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const proxy = await startProxy(t, server.url);
  const elapse = clock(t);
  const pass = limits(t, [100, 300, 400]);
  /** @param {object} [options] @param {string} [key] */
  const call = (options, key = CLIENT_KEY) => fetchEvaluations(key, TARGET, { baseUrl: proxy.url, timeoutMs: 300, logger: quiet, ...options });
  /** @param {object} [options] @param {string} [key] */
  const code = (options, key) => call(options, key).then(() => "answered", (/** @type {any} */ error) => `${error.name} ${error.code} ${error.cause?.code ?? ""}`);
  /** A call that asks, and waits in vain. @param {object} [options] @param {string} [key] */
  const inVain = async (options, key) => {
    const before = proxy.requests.length;
    const said = code(options, key);
    await proxy.until(() => proxy.requests.length > before);
    pass();
    return said;
  };
  proxy.decide = () => ({ refuse: "hang" });
  assert.equal(await inVain(), "FlagwireError timeout ");
  assert.equal(proxy.requests.length, 1);

  // Remembered, for this key and for those who would not wait longer.
  assert.equal(await code(), "FlagwireError timeout timeout");
  assert.equal(await code({ timeoutMs: 100 }), "FlagwireError timeout timeout");
  assert.equal(proxy.requests.length, 1);
  await inVain({ timeoutMs: 400 });
  assert.equal(proxy.requests.length, 2);
  await inVain({}, "another-key");
  assert.equal(proxy.requests.length, 3);

  // Then one asks, and the others do not wait for it.
  elapse(5000);
  const one = inVain({ timeoutMs: 400 });
  assert.deepEqual(await Promise.all(Array.from({ length: 9 }, () => code())), Array(9).fill("FlagwireError timeout timeout"));
  assert.equal(await one, "FlagwireError timeout ");
  assert.equal(proxy.requests.length, 4);

  proxy.decide = () => ({});
  elapse(5000);
  assert.equal(await code({ timeoutMs: 400 }), "answered");
  assert.equal(await code({ timeoutMs: 30_000 }), "answered");
});

test("a refused key is remembered too, and a call that alone had bad luck is not", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const proxy = await startProxy(t, server.url);
  /** @param {string} key @param {object} target @param {number} [timeoutMs] */
  const call = (key, target, timeoutMs = 30_000) => fetchEvaluations(key, target, { baseUrl: proxy.url, timeoutMs, logger: quiet });
  await assert.rejects(call("no-such-key", TARGET), { code: "unauthorized", final: true });
  await assert.rejects(call("no-such-key", TARGET), { code: "unauthorized", final: true });
  assert.equal(proxy.requests.length, 1);

  const pass = limits(t, [2000]);
  proxy.decide = ({ body }) => (body.includes("unlucky") ? { refuse: "hang" } : {});
  const unlucky = call(CLIENT_KEY, { identifier: "unlucky" }, 2000);
  await proxy.until(() => proxy.requests.some(({ body }) => body.includes("unlucky")));
  await call(CLIENT_KEY, TARGET);
  pass();
  await assert.rejects(unlucky, { code: "timeout" });
  // Nor does a target that cannot be sent say anything of the service.
  const circle = /** @type {Record<string, unknown>} */ ({});
  circle.circle = circle;
  await assert.rejects(call(CLIENT_KEY, { identifier: "u", attributes: circle }), { code: "invalid-target" });
  assert.equal((await call(CLIENT_KEY, TARGET, 2000)).length, 3);
});

test("a logger that throws, or lacks a level, ends nothing", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  await server.stop();
  const pass = limits(t, [1000]);
  // What is thrown outside of any caller would fail the test.
  const warn = t.mock.fn(() => {
    setImmediate(pass);
    throw new Error("from a logger");
  });
  const call = (/** @type {object} */ logger) => fetchEvaluations(CLIENT_KEY, TARGET, { baseUrl: server.url, timeoutMs: 1000, logger });
  await assert.rejects(call({ warn }), { code: "timeout" });
  assert.equal(warn.mock.callCount(), 1);
});

test("hands on what a framework's fetch throws to end a rendering, and holds it against nobody", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const warn = t.mock.fn();
  const call = () => fetchEvaluations(CLIENT_KEY, TARGET, { baseUrl: server.url, logger: { ...quiet, warn } });
  const end = Object.assign(new Error("rendered at the request"), { digest: "DYNAMIC_SERVER_USAGE" });
  const ended = t.mock.method(globalThis, "fetch", () => Promise.reject(end));
  await assert.rejects(call(), (error) => error === end);
  ended.mock.restore();
  assert.equal((await call()).length, 3);
  assert.equal(warn.mock.callCount(), 0);
});

test("is the same in CommonJS", () => {
  const list = [{ flag: "a", identifier: "on", value: "<", kind: "string", other: 1 }];
  const common = createRequire(import.meta.url)(join(packageDir, "server.cjs"));
  assert.equal(common.dehydrate(list), '[{"flag":"a","identifier":"on","value":"\\u003c","kind":"string"}]');
  assert.equal(common.dehydrate(list), dehydrate(list));
});

test("its text ends no script, and is what a client starts with", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const text = dehydrate(await fetchEvaluations(CLIENT_KEY, TARGET, { baseUrl: server.url }));
  const folder = tempDir(t);
  writeFileSync(
    join(folder, "index.html"),
    `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
    <script>window.flags = ${text}</script><script id="flags" type="application/json">${text}</script>
    <script type="module">
      import { initialize } from "./index.js";
      const client = initialize("${CLIENT_KEY}", ${JSON.stringify(TARGET)}, { baseUrl: "${server.url}", bootstrap: window.flags });
      window.first = [client.state().status, client.variation("nasty", ""), client.variation("__proto__", ""), client.variation("free-shipping", false)];
    </script>`,
  );
  cpSync(packageDir, folder, { recursive: true });
  const page = await openPage(t, browser, await serveFiles(t, folder));
  assert.deepEqual(await page.evaluate(() => [window.flags, JSON.parse(document.getElementById("flags")?.textContent ?? ""), "broken" in window]), [JSON.parse(text), JSON.parse(text), false]);
  assert.deepEqual(await page.waitForFunction(() => window.first).then((it) => it.jsonValue()), ["cached", NASTY, "</script>", true]);
});

/**
 * Timers of these delays fire when the returned function is called, and not before: however slow the machine is, what the test waits for has
 * happened by then.
 *
 * @param {import("node:test").TestContext} t
 * @param {number[]} delays
 * @returns {() => void}
 */
function limits(t, delays) {
  const { setTimeout, clearTimeout } = globalThis;
  /** What is due, by the timer that stands for it. @type {Map<unknown, () => void>} */
  const due = new Map();
  t.mock.method(globalThis, "setTimeout", (/** @type {() => void} */ run, /** @type {number} */ delay) => {
    if (!delays.includes(delay)) return setTimeout(run, delay);
    const timer = {};
    due.set(timer, run);
    return timer;
  });
  t.mock.method(globalThis, "clearTimeout", (/** @type {any} */ timer) => {
    if (!due.delete(timer)) clearTimeout(timer);
  });
  return () => {
    const runs = [...due.values()];
    due.clear();
    for (const run of runs) run();
  };
}

/**
 * Lets time pass as `performance.now()` sees it.
 *
 * @param {import("node:test").TestContext} t
 * @returns {(ms: number) => void}
 */
function clock(t) {
  let passed = 0;
  const now = performance.now.bind(performance);
  t.mock.method(performance, "now", () => now() + passed);
  return (ms) => void (passed += ms);
}
