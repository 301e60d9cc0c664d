// The playground's machine, in Node: whatever is done to it, its tabs hold in the end what the service serves, and what is done again
// happens again. And the bucket that the picture of a gradual release uses.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { bucket } from "../../docs/site/lib/bucket.mjs";
import { ACTS, decodeActs, encodeActs, Machine } from "../../docs/site/playground/machine.mjs";
import { root } from "../../scripts/lib/paths.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";

const { initialize } = await import(pathToFileURL(join(packageDir, "node.js")).href);
/** Longer than any pause that the client makes. */
const HOUR_MS = 3_600_000;

/** @param {import("node:test").TestContext} t @param {number} seed */
async function started(t, seed) {
  const machine = new Machine(initialize, seed);
  t.after(async () => machine.tabs.forEach(({ client }) => client.close()));
  await machine.start(t);
  return machine;
}

for (const what of Object.keys(ACTS)) {
  test(`after "${what}" the tabs catch up`, async (t) => {
    const machine = await started(t, 7);
    assert.ok(machine.fresh, "at the start");
    await machine.act(what, "theme");
    await machine.advance(200);
    await machine.act("flip", "theme");
    if (what === "network") {
      await machine.advance(1_000);
      assert.ok(!machine.fresh, "the tabs cannot have heard of it");
      assert.ok(machine.snapshot().tabs.every(({ state }) => state.status === "stale"));
      await machine.act("network");
    }
    await machine.advance(HOUR_MS);
    assert.ok(machine.fresh, JSON.stringify(machine.snapshot().tabs));
    // A storm may refuse tokens more than once. A client gives a stream up that is refused in spite of a new token, and polls.
    if (what === "storm") return;
    assert.deepEqual([...new Set(machine.snapshot().tabs.map(({ state }) => state.status))], ["ready"]);
    assert.equal(machine.world.service.streams.size, 1, "one stream for all tabs");
    assert.ok(machine.snapshot().tabs.some(({ name }) => name === machine.leader));
  });
}

test("an old reply that arrives late changes nothing", async (t) => {
  const machine = await started(t, 3);
  await machine.act("old");
  await machine.advance(1_000);
  assert.ok(machine.fresh, "the new value is there first");
  const late = machine.lines.length;
  await machine.advance(5_000);
  assert.ok(machine.lines.slice(late).some(({ kind, text }) => kind === "reply" && text.endsWith("/evaluations")), "the old reply arrives");
  assert.deepEqual(machine.lines.slice(late).filter(({ text }) => text.includes("changed to")), []);
  assert.ok(machine.fresh);
});

test("the address's acts lead to the same again", async (t) => {
  const first = await started(t, 11);
  for (const [what, argument, delayMs] of /** @type {[string, string, number][]} */ ([["cut", "", 700], ["flip", "theme", 3_000], ["open", "", 50], ["close", "", 40_000], ["flip", "dark-mode", 9_000]])) {
    await first.act(what, argument || undefined);
    await first.advance(delayMs);
  }
  const address = encodeActs(first.acts);
  const second = await started(t, 11);
  await second.replay(decodeActs(address));
  await second.advance(first.now - second.now);
  assert.equal(encodeActs(second.acts), address);
  assert.deepEqual(second.snapshot().served, first.snapshot().served);
  assert.deepEqual(second.snapshot().tabs.map(({ name, values }) => ({ name, values })), first.snapshot().tabs.map(({ name, values }) => ({ name, values })));
});

test("addresses that nobody made are harmless", () => {
  assert.deepEqual(decodeActs("x.cut~1.nothing~-1.flip~5.constructor~~7.flip.theme"), [{ at: 7, what: "flip", with: "theme" }]);
});

test("the picture's bucket is that of the vectors", () => {
  const { hashes } = JSON.parse(readFileSync(join(root, "crates", "evaluation", "vectors", "hash", "murmur3.json"), "utf8"));
  assert.ok(hashes.length > 5);
  for (const { input, bucket: wanted } of hashes) {
    const [by, ...value] = input.split(":");
    if (value.length > 0 && wanted !== undefined) assert.equal(bucket(by, value.join(":")), wanted, input);
  }
});
