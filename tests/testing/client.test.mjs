// What a test client has beside the methods of the real one: see behaviour.test.mjs for those.

import { deepEqual, equal, match, notEqual, ok, rejects, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageDir } from "../../scripts/lib/products.mjs";
import { common, load } from "./clients.mjs";

const { FlagwireError } = await load("node.js");
const { testClient } = await load("testing.js");

/** @param {any} client @param {string[]} events */
function record(client, ...events) {
  const log = /** @type {unknown[]} */ ([]);
  for (const event of events) client.on(event, (/** @type {any} */ payload) => log.push(event === "state" ? [payload.status, payload.reason ?? "-"].join(" ") : event));
  return log;
}

/** @param {unknown} error */
const code = (error) => (error instanceof FlagwireError ? /** @type {any} */ (error).code : error);

test("it is ready at once, and says so to who listens in the same turn", async () => {
  const client = testClient({ "dark-mode": true, banner: { text: "hi" }, later: undefined });
  equal(client.state().status, "ready");
  equal(client.variation("dark-mode", false), true);
  equal(client.variation("later", "default"), "default");
  deepEqual(client.flags(), { "dark-mode": true, banner: { text: "hi" } });
  deepEqual(client.target, { identifier: "test" });
  const log = record(client, "ready", "flags loaded", "connected", "changed", "state");
  await client.ready();
  deepEqual(log, ["flags loaded", "ready", "connected"]);
});

test("set() and remove() notify before they return, and several flags are set together", () => {
  const client = testClient({ a: 1, b: 1, gone: true });
  const heard = /** @type {unknown[]} */ ([]);
  client.on("changed", (/** @type {any} */ { flag, value }) => heard.push([flag, value, client.variation("a", 0), client.variation("b", 0)]));
  client.set("a", 2);
  client.set({ a: 3, b: 3 });
  client.set("a", 3);
  client.remove("gone");
  client.remove("gone");
  client.set("b", undefined);
  deepEqual(heard, [["a", 2, 2, 1], ["a", 3, 3, 3], ["b", 3, 3, 3], ["gone", undefined, 3, 3], ["b", undefined, 3, 0]]);
  equal(client.variation("gone", "default"), "default");
  client.set("gone", false);
  equal(client.variation("gone", true), false);
});

for (
  const [what, use] of /** @type {[string, (client: any) => unknown][]} */ ([
    ["variation()", (client) => client.variation("dark-mod", false)],
    ["variationDetail()", (client) => client.variationDetail("dark-mod", false)],
    ["boolVariation()", (client) => client.boolVariation("dark-mod", false)],
    ["jsonVariationDetail()", (client) => client.jsonVariationDetail("dark-mod", {})],
    ["onFlag()", (client) => client.onFlag("dark-mod", () => {})],
    ["set()", (client) => client.set("dark-mod", true)],
    ["set() of several", (client) => client.set({ "page-size": 1, "dark-mod": true })],
    ["remove()", (client) => client.remove("dark-mod")],
    ["reads()", (client) => client.reads("dark-mod")],
  ])
) {
  test(`${what} of a flag that the test does not have fails, and names the nearest`, () => {
    const client = testClient({ "dark-mode": true, "page-size": 50 });
    throws(() => use(client), (/** @type {any} */ error) => {
      ok(error instanceof FlagwireError);
      equal(code(error), "unknown-flag");
      match(error.message, /^Flagwire: this test has no flag "dark-mod"; do you mean "dark-mode"\?/);
      return true;
    });
    equal(client.variation("page-size", 0), 50, "nothing was set");
  });
}

test("where no name is near, all are listed; with unknownFlags nothing fails", () => {
  throws(() => testClient({ "dark-mode": true, theme: "x" }).variation("checkout", 1), /it has dark-mode, theme;/);
  throws(() => testClient().variation("checkout", 1), /it has none;/);
  const client = testClient({}, { unknownFlags: "default" });
  equal(client.variation("checkout", 1), 1);
  client.set("checkout", 2);
  equal(client.variation("checkout", 1), 2);
});

test("values that no flag can have are refused, and nothing is set", () => {
  const client = testClient({ a: 1, b: 2 });
  for (const wrong of [NaN, Infinity, () => {}, Symbol("s"), 5n, { deep: { f() {} } }]) {
    throws(() => client.set({ a: 5, b: wrong }), (/** @type {any} */ error) => code(error) === "test-value" && /"b" cannot have this value/.test(error.message));
    throws(() => testClient({ b: wrong }), (/** @type {any} */ error) => code(error) === "test-value");
  }
  deepEqual(client.flags(), { a: 1, b: 2 });
});

test("while it is initializing there are no values; they come with the next state", async () => {
  const client = testClient({ a: 1 }, { state: { status: "initializing" } });
  const log = record(client, "state", "changed", "flags loaded", "ready", "connected", "disconnected");
  equal(client.variation("a", 5), 5);
  client.set("a", 2);
  let ready = false;
  const wait = client.ready().then(() => (ready = true));
  await rejects(client.ready(1), (error) => code(error) === "timeout");
  equal(ready, false);
  client.become({ status: "cached" });
  equal(client.variation("a", 5), 2);
  equal(ready, false);
  client.become({ status: "ready" });
  await wait;
  deepEqual(log, ["changed", "cached -", "flags loaded", "ready", "ready -", "connected"]);
});

test("become() brings what leads to each reason", () => {
  const client = testClient({ a: 1 }, { logger: { debug() {}, info() {}, warn() {}, error() {} } });
  const log = record(client, "state", "ready", "connected", "disconnected", "auth error", "fetch flags error", "stream error", "error");
  client.become({ status: "stale", reason: "stream" });
  client.become({ status: "stale", reason: "unreachable" });
  client.become({ status: "ready" });
  client.become({ status: "stale", reason: "auth" });
  client.become({ status: "stale", reason: "hidden" });
  client.become({ status: "stale", reason: "hidden" });
  deepEqual(log, [
    ...["ready", "connected", "disconnected", "stream error", "error", "stale stream"],
    ...["fetch flags error", "error", "stale unreachable"],
    ...["ready -", "connected"],
    ...["disconnected", "auth error", "error", "stale auth"],
    "stale hidden",
  ]);
  equal(client.variation("a", 0), 1, "values stay");
});

test("a client that is refused rejects, and serves another target", async () => {
  const logged = /** @type {unknown[]} */ ([]);
  const client = testClient({ a: 1 }, { state: { status: "initializing" }, logger: { error: (/** @type {unknown} */ text) => logged.push(text) } });
  const waits = rejects(client.ready(), (/** @type {any} */ error) => code(error) === "unauthorized" && error.final && error.status === 401);
  client.become({ status: "initializing", reason: "refused" });
  await waits;
  equal(logged.length, 1);
  await rejects(client.ready(), (error) => code(error) === "unauthorized");
  deepEqual([client.state().status, client.state().reason], ["initializing", "refused"]);
  await client.identify({ identifier: "grace" });
  equal(client.state().status, "ready");
  equal(client.variation("a", 0), 1);
});

test("a switch of target waits for a server that does not answer", async () => {
  const client = testClient({ a: 1 }, { state: { status: "stale", reason: "unreachable" }, logger: { warn() {} } });
  let switched = false;
  const wait = client.identify({ identifier: "grace" }).then(() => (switched = true));
  await rejects(client.identify({ identifier: "grace" }, 1), (error) => code(error) === "timeout");
  deepEqual([switched, client.target.identifier, client.state().reason], [false, "grace", "target"]);
  client.become({ status: "ready" });
  await wait;
});

test("flags that depend on the target come with it", async () => {
  const client = testClient({ theme: "classic" }, { flagsOf: ({ attributes }) => (attributes?.plan === "gold" ? { theme: "ocean", gold: true } : undefined) });
  equal(client.variation("theme", ""), "classic");
  const heard = new Promise((resolve) => client.onFlag("theme", resolve));
  const switched = client.identify({ identifier: "grace", attributes: { plan: "gold" } });
  equal(client.variation("theme", ""), "classic", "the last values stay until the new ones are there");
  await switched;
  equal(await heard, "ocean");
  equal(client.variation("gold", false), true);
});

test("states that no client comes into are refused", () => {
  const client = testClient({ a: 1 });
  for (const state of [{ status: "initializing" }, { status: "cached" }, { status: "raedy" }, { status: "stale", reason: "internal" }]) throws(() => client.become(state), (error) => code(error) === "test-state");
  client.become({ status: "closed" });
  equal(client.state().status, "closed");
  for (const late of [() => client.set("a", 1), () => client.remove("a"), () => client.become({ status: "ready" })]) throws(late, (error) => code(error) === "closed");
});

test("reads are counted as the real client counts them", async () => {
  const client = testClient({ a: 1, b: 1 });
  for (let n = 0; n < 3; n++) client.variation("a", 0);
  client.variation("a", "another type");
  equal(client.reads("a"), 3);
  client.set("a", 2);
  client.variationDetail("a", 0);
  await client.identify({ identifier: "grace" });
  client.variation("a", 0);
  client.flags();
  deepEqual([client.reads("a"), client.reads("a"), client.reads("b")], [5, 5, 0]);
});

test("a missing target throws, and debug logs what happens", async () => {
  throws(() => testClient({}, { target: {} }), (error) => code(error) === "missing-target");
  const logged = /** @type {unknown[]} */ ([]);
  const client = testClient({ a: 1 }, { debug: true, logger: { debug: (/** @type {unknown} */ text) => logged.push(text) } });
  await client.ready();
  deepEqual(logged.slice(0, 2), ["Flagwire: state", "Flagwire: flags loaded"]);
});

test("clients are independent, and made of the real client's sources", () => {
  const [one, other] = [testClient({ a: 1 }), testClient({ a: 1 })];
  one.set("a", 2);
  equal(other.variation("a", 0), 1);
  const { sources } = JSON.parse(readFileSync(join(packageDir, "testing.js.map"), "utf8"));
  for (const file of ["client", "values", "events", "options", "target", "error"]) ok(sources.some((/** @type {string} */ path) => path.endsWith(`/src/${file}.ts`)), file);
});

test("nothing of it is in what pages load", () => {
  for (const file of ["index.js", "development.js", "node.js", "edge.js", "javascript.js"]) {
    const text = readFileSync(join(packageDir, file), "utf8");
    for (const word of ["flags.invalid", "this test has no flag", "does not become"]) ok(!text.includes(word), `${file} has "${word}"`);
  }
});

test("CommonJS has the same, with the error of that main entry", () => {
  const client = common.testClient({ "dark-mode": true });
  equal(client.variation("dark-mode", false), true);
  throws(() => client.variation("dark-mod", false), (error) => error instanceof common.FlagwireError);
  notEqual(common.FlagwireError, FlagwireError);
});
