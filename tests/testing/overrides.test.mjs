// Overrides of flags, with the client that pages have and with the one of `flagwire/testing`.

import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { CLIENTS, load } from "./clients.mjs";

const { initialize, FlagwireError } = await load("node.js");
const { localOverrides } = await load("overrides.js");
const { testClient } = await load("testing.js");

const FLAGS = { "dark-mode": false, "page-size": 12, theme: "classic", limits: { rps: 10, regions: ["eu"] } };

/** The changes that listeners of all flags and of one flag are notified of. @param {any} client @param {string} flag */
function record(client, flag) {
  const log = /** @type {unknown[]} */ ([]);
  client.on("changed", (/** @type {any} */ { flag, value }) => log.push(["changed", flag, value]));
  client.onFlag(flag, (/** @type {unknown} */ value) => log.push(["onFlag", flag, value]));
  return log;
}

for (const [who, make] of Object.entries(CLIENTS)) {
  /** @param {import("../lib/scope.mjs").Scope} t */
  const start = (t) => make(t, FLAGS, { overrides: localOverrides({ storage: "memory" }) });

  test(`${who}: an override is what every read finds, with its reason, until it is removed`, async (t) => {
    const { client } = await start(t);
    const log = record(client, "dark-mode");
    client.override("dark-mode", true);
    deepEqual(log, [["changed", "dark-mode", true], ["onFlag", "dark-mode", true]]);
    deepEqual(client.variationDetail("dark-mode", false), { value: true, variation: "true", reason: "override", isDefaultValue: false });
    equal(client.boolVariation("dark-mode", false), true);
    deepEqual({ ...client.flags() }, { ...FLAGS, "dark-mode": true });
    equal(client.evaluations().find((/** @type {any} */ { flag }) => flag === "dark-mode").value, "true");
    deepEqual({ ...client.overrides() }, { "dark-mode": true });
    equal(client.variationDetail("theme", "").reason, "evaluated");

    client.override("dark-mode", true);
    equal(log.length, 2, "the same override again changes nothing");
    client.override("dark-mode", undefined);
    deepEqual(log.slice(2), [["changed", "dark-mode", false], ["onFlag", "dark-mode", false]]);
    equal(client.variationDetail("dark-mode", true).reason, "evaluated");
    deepEqual({ ...client.overrides() }, {});
  });

  test(`${who}: what is served of an overridden flag is heard when the override has gone`, async (t) => {
    const { client, serve } = await start(t);
    client.override("theme", "sunset");
    const log = record(client, "theme");
    // Both changes are in one edit of the file.
    const [theme, size] = ["ocean", 24];
    const heard = new Promise((resolve) => client.onFlag("page-size", resolve));
    void serve({ ...FLAGS, theme, "page-size": size });
    equal(await heard, size);
    equal(client.variation("theme", ""), "sunset");
    deepEqual(log, [["changed", "page-size", size]]);
    const arrived = new Promise((resolve) => client.onFlag("theme", (/** @type {unknown} */ value) => value === theme && resolve(undefined)));
    client.clearOverrides();
    await arrived;
    equal(client.variationDetail("theme", "").reason, "evaluated");
    equal(log.some((entry) => JSON.stringify(entry).includes("sunset")), false);
  });

  test(`${who}: a value of another kind is refused by a sentence, and changes nothing`, async (t) => {
    const { client } = await start(t);
    const log = record(client, "theme");
    const wrong = /** @type {[string, unknown, RegExp][]} */ ([
      ["dark-mode", "true", /the flag dark-mode is of kind boolean .*pass true or false/],
      ["page-size", "large", /of kind int .*pass a number/],
      ["page-size", NaN, /pass a number/],
      ["theme", 5, /of kind string .*pass a text/],
      ["theme", null, /it is of type null/],
      ["limits", () => 1, /of kind json .*pass what JSON can hold/],
      ["no-flag", Symbol("x"), /the flag no-flag cannot be overridden/],
    ]);
    for (const [flag, value, words] of wrong) {
      throws(() => client.override(flag, value), (/** @type {any} */ error) => error instanceof FlagwireError && error.code === "override-value" && words.test(error.message), `${flag} ${String(value)}`);
    }
    deepEqual([log, { ...client.overrides() }], [[], {}]);
  });

  test(`${who}: JSON is copied and frozen, and of any shape`, async (t) => {
    const { client } = await start(t);
    const given = { rps: 1, regions: [{ name: "us" }] };
    client.override("limits", given);
    given.rps = 2;
    const value = client.variation("limits", null);
    deepEqual(value, { rps: 1, regions: [{ name: "us" }] });
    for (const part of [value, value.regions, value.regions[0], client.overrides().limits]) ok(Object.isFrozen(part));
    for (const shape of [null, 5, "text", [], false]) {
      client.override("limits", shape);
      deepEqual(client.variation("limits", null), shape);
      deepEqual({ ...client.overrides() }, { limits: shape });
    }
  });

  test(`${who}: a flag that nobody serves can be overridden, and its kind follows`, async (t) => {
    const { client, serve } = await start(t);
    const log = record(client, "new-flag");
    client.override("new-flag", true);
    equal(client.variation("new-flag", false), true);
    equal(client.flags()["new-flag"], true);
    // The flag comes, of another kind: what is served is read, as the override does not fit.
    const heard = new Promise((resolve) => client.on("changed", (/** @type {any} */ change) => change.value === "text" && resolve(undefined)));
    void serve({ ...FLAGS, "new-flag": "text" });
    await heard;
    equal(client.variation("new-flag", "none"), "text");
    deepEqual(log.at(-1), ["onFlag", "new-flag", "text"]);
    client.clearOverrides();
    equal(log.length, 4);
  });

  test(`${who}: after the client was closed it reads and reports nothing`, async (t) => {
    const { client } = await start(t);
    client.override("theme", "sunset");
    const log = record(client, "theme");
    client.close();
    equal(client.variation("theme", "default"), "default");
    client.override("theme", "ocean");
    equal(client.variation("theme", "default"), "default");
    deepEqual([log, { ...client.flags() }], [[], {}]);
  });

  test(`${who}: without overrides the methods say what to do`, async (t) => {
    const { client } = await make(t, FLAGS);
    for (const call of [() => client.override("theme", "sunset"), () => client.overrides(), () => client.clearOverrides()]) {
      throws(call, (/** @type {any} */ error) => error.code === "no-overrides" && /make it with \{ overrides: localOverrides\(\) \} from flagwire\/overrides/.test(error.message));
    }
  });
}

test("reads of an overridden flag are never posted as served", async (t) => {
  const server = await startServer(t, { flags: "flags:\n  theme: classic\n  dark-mode: false\n" });
  const client = initialize(CLIENT_KEY, { identifier: "ada" }, { baseUrl: server.url, overrides: localOverrides({ storage: "memory" }) });
  atEnd(t, () => client.close());
  await client.ready();
  /** @type {Promise<string>} */
  const posted = new Promise((resolve) => {
    client.registerAPIRequestMiddleware((/** @type {[string, any]} */ [url, init]) => {
      if (url.includes("/metrics/")) resolve(init.body);
      return [url, init];
    });
  });
  client.override("theme", "sunset");
  for (let reads = 0; reads < 5; reads++) equal(client.variation("theme", ""), "sunset");
  client.variation("dark-mode", true);
  client.flush();
  const body = await posted;
  match(body, /dark-mode/);
  ok(!/theme|sunset/.test(body), body);
  equal(testClientReads(), 0);
});

/** How many reads of an overridden flag a test client counts. */
function testClientReads() {
  const client = testClient({ theme: "classic" }, { overrides: localOverrides({ storage: "memory" }) });
  client.override("theme", "sunset");
  client.variation("theme", "");
  return client.reads("theme");
}

test("two clients of one object, and of two with the same key, have the same overrides", () => {
  const [first, second] = [localOverrides({ storage: "memory" }), localOverrides({ storage: "memory", key: "other" })];
  const [one, two, apart] = [first, first, second].map((overrides) => testClient({ theme: "classic" }, { overrides }));
  const log = record(two, "theme");
  one.override("theme", "sunset");
  deepEqual([one, two, apart].map((client) => client.variation("theme", "")), ["sunset", "sunset", "classic"]);
  deepEqual(log, [["changed", "theme", "sunset"], ["onFlag", "theme", "sunset"]]);
  one.close();
  two.clearOverrides();
  equal(two.variation("theme", ""), "classic");
});

test("a listener may set and remove overrides while it is notified", () => {
  const client = testClient({ a: 1, b: 1 }, { overrides: localOverrides({ storage: "memory" }) });
  const log = /** @type {unknown[]} */ ([]);
  client.onFlag("a", (/** @type {unknown} */ value) => {
    log.push(["a", value]);
    if (value === 2) client.override("b", 2);
  });
  client.onFlag("b", (/** @type {unknown} */ value) => {
    log.push(["b", value]);
    if (value === 2) client.clearOverrides();
  });
  client.override("a", 2);
  deepEqual(log, [["a", 2], ["b", 2], ["a", 1], ["b", 1]]);
});

test("what is no object of this version is left out with a warning", (t) => {
  const warnings = /** @type {string[]} */ ([]);
  const logger = { debug() {}, info() {}, error() {}, warn: (/** @type {string} */ text) => warnings.push(text) };
  const client = testClient({ theme: "classic" }, { overrides: /** @type {any} */ ({}), logger });
  atEnd(t, () => client.close());
  equal(client.variation("theme", ""), "classic");
  match(warnings[0] ?? "", /the option overrides must be what localOverrides\(\) of flagwire\/overrides returns/);
});
