// Values and counts of one client: what storing alters, which answer is the newer one, which target a read is counted for.

import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { changeOf, Values } from "../../pkg-template/src/values.ts";

/** @param {string} flag @param {string} value */
const evaluation = (flag, value, { identifier = value, kind = "string" } = {}) => ({ flag, identifier, value, kind });

function values(...flags) {
  const values = new Values({ identifier: "maya" });
  values.replace_(flags, 1);
  return values;
}

/** Flag, variation, target and number of each counter in a body. */
function counted(body) {
  return JSON.parse(body).metricsData.map(({ count, attributes }) => {
    const read = Object.fromEntries(attributes.map(({ key, value }) => [key, value]));
    return [read.featureIdentifier, read.variationIdentifier, read.target, count];
  });
}

/** Reads a flag so many times, as `Client.variation` does. */
function read(values, flag, times = 1) {
  values.slots_.get(flag).n += times;
}

test("a whole list replaces all, and says what changed, what is new and what is gone", () => {
  const held = values(evaluation("a", "1"), evaluation("b", "1"), evaluation("c", "1"));
  const changes = held.replace_([evaluation("a", "1"), evaluation("b", "2"), evaluation("d", "1")], 2);
  deepEqual(changes.map(changeOf), [
    { flag: "b", identifier: "2", value: "2", kind: "string" },
    { flag: "d", identifier: "1", value: "1", kind: "string" },
    { flag: "c", value: undefined, deleted: true },
  ]);
  deepEqual(held.all_(), { a: "1", b: "2", d: "1" });
});

test("storing what is known already changes nothing, and keeps the same slot", () => {
  const held = values(evaluation("a", '{"x":1}', { kind: "json" }));
  const slot = held.slots_.get("a");
  equal(held.replace_([evaluation("a", '{ "x": 1 }', { kind: "json", identifier: '{"x":1}' })], 2), undefined);
  equal(held.slots_.get("a"), slot, "its value is the same object, so that nothing is rendered again");
});

test("an older list leaves what is known later, and what was removed later stays removed", () => {
  const held = values(evaluation("a", "1"), evaluation("b", "1"));
  held.merge_([evaluation("a", "new")], 5);
  held.remove_("b", 6);
  held.replace_([evaluation("a", "old"), evaluation("b", "old"), evaluation("c", "1")], 3);
  deepEqual(held.all_(), { a: "new", c: "1" });
});

test("when nothing older can arrive any more, a removed flag may come back", () => {
  const held = values(evaluation("a", "1"));
  held.remove_("a", 6);
  held.settle_();
  held.merge_([evaluation("a", "2")], 3);
  deepEqual(held.all_(), { a: "2" });
});

test("removing what is known later, or not at all, changes nothing", () => {
  const held = values();
  held.merge_([evaluation("a", "1")], 5);
  equal(held.remove_("a", 4), undefined);
  equal(held.remove_("b", 6), undefined);
  deepEqual(held.all_(), { a: "1" });
});

test("a core that starts again counts from the beginning: whatever it says is news", () => {
  const held = values();
  held.merge_([evaluation("a", "old")], 100);
  held.remove_("b", 100);
  held.begin_();
  held.replace_([evaluation("a", "new"), evaluation("b", "new")], 1);
  deepEqual(held.all_(), { a: "new", b: "new" });
});

test("reads are counted by flag, variation and target, across changes of all three", () => {
  const held = values(evaluation("a", "1"), evaluation("b", "1"));
  read(held, "a", 2);
  read(held, "b");
  held.merge_([evaluation("a", "2")], 2);
  read(held, "a", 3);
  held.setTarget_({ identifier: "tom" });
  read(held, "a");
  held.remove_("a", 3);
  deepEqual(counted(held.takeCounts_("1")).sort(), [
    ["a", "1", "maya", 2],
    ["a", "2", "maya", 3],
    ["a", "2", "tom", 1],
    ["b", "1", "maya", 1],
  ]);
  equal(held.takeCounts_("1"), undefined, "and each once");
});

test("counts of a post that failed are counted again, together with new ones; counts that arrived are not", () => {
  const held = values(evaluation("a", "1"));
  read(held, "a", 2);
  ok(held.takeCounts_("1"));
  read(held, "a");
  held.settleCounts_(true);
  deepEqual(counted(held.takeCounts_("1")), [["a", "1", "maya", 3]]);
  held.settleCounts_(false);
  equal(held.takeCounts_("1"), undefined);
});

test("a body stays below what browsers send when a page is left, and the rest follows", () => {
  const names = Array.from({ length: 400 }, (_, n) => `a-flag-with-quite-a-long-name-${n}`);
  const held = values(...names.map((name) => evaluation(name, "1")));
  for (const name of names) read(held, name);
  const seen = [];
  for (let body; (body = held.takeCounts_("1")) !== undefined; held.settleCounts_(false)) {
    ok(Buffer.byteLength(body) <= 60_000, `${Buffer.byteLength(body)} bytes`);
    seen.push(...counted(body).map(([flag]) => flag));
  }
  deepEqual(seen.sort(), names.sort());
});

test("names that objects have of themselves are flags like others", () => {
  const held = values(evaluation("__proto__", "1"), evaluation("constructor", "2"));
  const all = held.all_();
  deepEqual(Object.keys(all).sort(), ["__proto__", "constructor"]);
  equal(Object.getOwnPropertyDescriptor(all, "__proto__").value, "1");
});

test("JSON values are frozen, all the way down", () => {
  const held = values(evaluation("a", '{"list":[{"deep":1}]}', { kind: "json" }));
  const value = held.all_()["a"];
  for (const part of [value, value.list, value.list[0]]) ok(Object.isFrozen(part));
});
