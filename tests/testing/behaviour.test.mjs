// What applications see of a client, tried with the one that pages have and with the one of `flagwire/testing`.

import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { CLIENTS, load } from "./clients.mjs";

const { FlagwireError } = await load("node.js");

const FLAGS = { "dark-mode": true, "page-size": 12, theme: "classic", limits: { rps: 10, regions: ["eu"] } };

/** Notes every event that comes from now on, with the parts of its payload that both clients must agree on. @param {any} client */
function record(client) {
  const log = /** @type {unknown[]} */ ([]);
  const note = (/** @type {string} */ event) => client.on(event, (/** @type {any} */ payload) => log.push([event, ...summary(payload)]));
  ["ready", "flags loaded", "changed", "state", "stopped", "error", "auth error", "stream error", "default variation returned"].forEach(note);
  return log;
}

/** @param {any} payload */
function summary(payload) {
  if (payload === undefined) return [];
  if (payload instanceof Error) return [/** @type {any} */ (payload).code];
  if (payload.status) return [payload.status, payload.reason ?? "-"];
  if ("value" in payload) return [payload.flag, payload.value, ...(payload.deleted ? ["deleted"] : [])];
  return [payload.flag ?? Object.keys(payload).length];
}

for (const [who, make] of Object.entries(CLIENTS)) {
  test(`${who}: reads of each type, and defaults of another`, async (t) => {
    const { client } = await make(t, FLAGS);
    deepEqual(client.state().status, "ready");
    equal(client.variation("dark-mode", false), true);
    equal(client.boolVariation("dark-mode", false), true);
    equal(client.numberVariation("page-size", 1), 12);
    equal(client.stringVariation("theme", "none"), "classic");
    deepEqual(client.jsonVariation("limits", {}), FLAGS.limits);
    equal(client.variation("theme", 5), 5);
    equal(client.variation("page-size", "large"), "large");
    equal(client.variation("theme", null), "classic");
    equal(client.variation("no-flag", "mine"), "mine");
    const { variation, ...detail } = client.variationDetail("theme", "none");
    deepEqual(detail, { value: "classic", reason: "evaluated", isDefaultValue: false });
    equal(typeof variation, "string");
    deepEqual(client.boolVariationDetail("theme", false), { value: false, reason: "wrong-type", isDefaultValue: true });
    deepEqual(client.variationDetail("no-flag", 3), { value: 3, reason: "not-found", isDefaultValue: true });
    deepEqual(client.flags(), FLAGS);
    deepEqual(client.evaluations().map((/** @type {any} */ { flag, kind, value }) => [flag, kind, value]).sort(), [
      ["dark-mode", "boolean", "true"],
      ["limits", "json", '{"rps":10,"regions":["eu"]}'],
      ["page-size", "int", "12"],
      ["theme", "string", "classic"],
    ]);
  });

  test(`${who}: JSON is a copy, frozen all the way down, and the same object at each read`, async (t) => {
    const given = { rps: 10, regions: [{ name: "eu" }] };
    const { client, serve } = await make(t, { limits: given, other: 1 });
    const value = client.variation("limits", null);
    ok(value !== given);
    for (const part of [value, value.regions, value.regions[0]]) ok(Object.isFrozen(part));
    await serve({ limits: { regions: [{ name: "eu" }], rps: 10 }, other: 2 });
    equal(client.variation("limits", null), value, "another order of keys is no change");
  });

  test(`${who}: texts of evaluations are converted, and what is none stays text`, async (t) => {
    const { client } = await make(t, { a: 1 });
    const evaluations = [["a", "TRUE", "Boolean"], ["b", "nothing", "int"], ["c", "{", "json"], ["d", " 7", "int"], ["e", "", "int"], ["f", "x", "newer-kind"]];
    client.setEvaluations(evaluations.map(([flag, value, kind]) => ({ flag, value, kind, identifier: "v" })));
    deepEqual(client.flags(), { a: true, b: "nothing", c: "{", d: 7, e: "", f: "x" });
    client.setEvaluations([{ flag: "a" }, null, { flag: "b", value: "8", kind: "int" }]);
    deepEqual([client.flags().a, client.flags().b], [true, 8]);
  });

  test(`${who}: listeners hear of real changes alone, and of a flag that is gone`, async (t) => {
    const { client, serve } = await make(t, FLAGS);
    const log = record(client);
    const heard = /** @type {unknown[]} */ ([]);
    client.onFlag("theme", (/** @type {any} */ value, /** @type {any} */ change) => heard.push([value, change.flag, change.kind, change.deleted]));
    const stop = client.onFlag("page-size", (/** @type {any} */ value) => heard.push(value));
    await serve({ ...FLAGS, theme: "ocean", "page-size": 24 });
    stop();
    const { theme: _, ...rest } = FLAGS;
    await serve({ ...rest, "page-size": 48 });
    deepEqual(heard.sort(), [24, ["ocean", "theme", "string", undefined], [undefined, "theme", undefined, true]].sort());
    deepEqual(log.filter((/** @type {any} */ [event]) => event === "changed").map(String).sort(), ["changed,page-size,24", "changed,page-size,48", "changed,theme,,deleted", "changed,theme,ocean"]);
  });

  test(`${who}: a listener that throws is logged, and the others are called`, async (t) => {
    const { client, serve, logged } = await make(t, { a: 1 });
    const heard = /** @type {unknown[]} */ ([]);
    client.on("changed", () => {
      throw new Error("a mistake");
    });
    client.onFlag("a", () => {
      throw "a text";
    });
    client.onFlag("a", (/** @type {any} */ value) => heard.push(value));
    await serve({ a: 2 });
    deepEqual(heard, [2]);
    deepEqual(logged, ["error Flagwire: a listener threw", "error Flagwire: a listener threw"]);
  });

  test(`${who}: a listener may remove others, add some, and close the client`, async (t) => {
    const { client, serve } = await make(t, { a: 1, b: 1 });
    const heard = /** @type {unknown[]} */ ([]);
    const removed = () => heard.push("removed");
    client.onFlag("a", () => {
      client.off("state", removed);
      client.onFlag("a", () => heard.push("added"));
      heard.push("first");
      client.close();
      client.close();
    });
    client.on("state", removed);
    client.onFlag("b", () => heard.push("after the end"));
    await Promise.race([serve({ a: 2, b: 1 }).catch(() => {}), new Promise((resolve) => client.on("stopped", resolve))]);
    deepEqual(heard, ["first"]);
    equal(client.state().status, "closed");
  });

  test(`${who}: a switch of target ends with the new one, whatever the application does to its object`, async (t) => {
    const { client } = await make(t, { a: 1 });
    const log = record(client);
    const target = { identifier: "grace", attributes: { plan: "gold" } };
    const switched = client.identify(target);
    target.identifier = "eve";
    await switched;
    deepEqual(log.filter((/** @type {any} */ [event]) => event === "state"), [["state", "stale", "target"], ["state", "ready", "-"]]);
    const loop = { identifier: "x", attributes: {} };
    loop.attributes = { loop };
    for (const [wrong, code] of [[{}, "missing-target"], [undefined, "missing-target"], [{ identifier: {} }, "missing-target"], [loop, "invalid-target"], [{ identifier: "x", attributes: { f() {} } }, "invalid-target"]]) {
      await rejects(client.identify(wrong), (/** @type {any} */ error) => error instanceof FlagwireError && error.code === code);
    }
    await Promise.all([client.identify({ identifier: "one" }), client.identify({ identifier: "two" })]);
    equal(client.state().status, "ready");
  });

  test(`${who}: closing ends it for good`, async (t) => {
    const { client } = await make(t, { a: 1 });
    const log = record(client);
    client.close();
    client.close();
    deepEqual(log, [["stopped"], ["state", "closed", "-"]]);
    equal(client.variation("a", 5), 5);
    deepEqual([client.flags(), client.evaluations()], [{}, []]);
    await rejects(client.identify({ identifier: "x" }), (/** @type {any} */ error) => error instanceof FlagwireError && error.code === "closed" && error.final);
    await client.ready();
    client.setEvaluations([{ flag: "a", identifier: "x", value: "1", kind: "int" }]);
    client.refreshEvaluations();
    client.flush();
    deepEqual(client.flags(), {});
  });

  test(`${who}: off() without arguments closes, as Harness's SDK does`, async (t) => {
    const { client, serve } = await make(t, { a: 1, b: 1 });
    const heard = /** @type {unknown[]} */ ([]);
    const one = (/** @type {any} */ { flag }) => heard.push(flag);
    client.on("changed", one);
    client.off("changed", one);
    client.on("changed", one);
    client.off("changed");
    await serve({ a: 2, b: 1 });
    deepEqual(heard, []);
    client.off();
    equal(client.state().status, "closed");
  });

  test(`${who}: a read that returns the default is reported to who listens, and never throws`, async (t) => {
    const { client } = await make(t, { a: 1 });
    const log = record(client);
    client.variation("a", "text");
    client.variation("none", 5);
    equal(client.variation(Symbol("s"), 1), 1);
    equal(client.variation(undefined, 2), 2);
    deepEqual(log.slice(0, 2), [["default variation returned", "a"], ["default variation returned", "none"]]);
  });

  test(`${who}: with debug, such a read is explained once`, async (t) => {
    const { client, logged } = await make(t, { "dark-mode": true }, { debug: true });
    client.variation("dark-mode", 1);
    client.variation("dark-mode", 1);
    client.variation("dark-mod", false);
    const warnings = logged.filter((line) => line.startsWith("warn"));
    equal(warnings.length, 2, warnings.join("\n"));
    match(/** @type {string} */ (warnings[0]), /dark-mode is a boolean and was read with a default that is a number/);
    match(/** @type {string} */ (warnings[1]), /no flag dark-mod; .*Do you mean dark-mode\?/);
  });

  test(`${who}: fetching again reports that flags are loaded`, async (t) => {
    const { client } = await make(t, { a: 1, b: 2 });
    const loaded = new Promise((resolve) => client.on("flags loaded", resolve));
    client.refreshEvaluations();
    deepEqual((await loaded).map((/** @type {any} */ { flag }) => flag).sort(), ["a", "b"]);
    client.registerAPIRequestMiddleware((/** @type {unknown} */ request) => request);
    await client.ready(1);
    client.flush();
  });

  test(`${who}: names that objects have of themselves are flags like others`, async (t) => {
    const { client } = await make(t, JSON.parse('{"constructor":1,"toString":"x"}'));
    deepEqual(Object.keys(client.flags()).sort(), ["constructor", "toString"]);
    equal(client.variation("constructor", 0), 1);
    equal(client.variation("hasOwnProperty", "mine"), "mine");
  });

  test(`${who}: has the methods of a client`, async (t) => {
    const { client } = await make(t, { a: 1 });
    for (const method of ["variation", "boolVariation", "evaluations", "flags", "state", "ready", "on", "off", "onFlag", "identify", "refreshEvaluations", "setEvaluations", "registerAPIRequestMiddleware", "flush", "close"]) {
      equal(typeof client[method], "function", method);
    }
  });
}
