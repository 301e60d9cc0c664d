// The published `@harnessio/ff-nodejs-server-sdk`, in Node, on flagwire-server: it downloads the rules and evaluates itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Event } from "@harnessio/ff-nodejs-server-sdk";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { atEnd } from "../lib/scope.mjs";
import { startServer } from "../lib/server.mjs";
import { nodeClient } from "./node-sdk.mjs";

/**
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {{ key?: string, prefix?: string, options?: object }} [settings]
 */
async function start(t, { prefix = "", ...settings } = {}) {
  const server = await startServer(t, { flags: FLAGS });
  return { server, ...nodeClient(t, server, { url: server.url + prefix, ...settings }) };
}

/** @param {import("@harnessio/ff-nodejs-server-sdk").Client} client */
async function read(client, target = TARGET) {
  return [
    await client.boolVariation("dark-mode", target, true),
    await client.stringVariation("theme", target, "default"),
    await client.numberVariation("page-size", target, -1),
    await client.jsonVariation("limits", target, {}),
    await client.boolVariation("free-shipping", target, false),
    await client.stringVariation("no-such-flag", target, "default"),
  ];
}

for (const prefix of ["", "/api/1.0"]) {
  test(`gets ready, evaluates every kind and posts metrics, base URL ending in "${prefix}"`, async (t) => {
    const { client, close } = await start(t, { prefix });
    atEnd(t, close);
    await client.waitForInitialization();
    assert.deepEqual(await read(client), [false, "classic", 4, { rps: 10, regions: ["eu"] }, true, "default"]);
    const other = { identifier: "user-43", name: "Bob", attributes: { plan: "free" } };
    assert.equal(await client.boolVariation("free-shipping", other, true), false);
  });
}

test("sees changes live", async (t) => {
  const { server, client, close } = await start(t);
  atEnd(t, close);
  await client.waitForInitialization();
  await server.stream();
  const expected = new Map([
    ["dark-mode", true],
    ["theme", "ocean"],
    ["page-size", 12],
  ]);
  const seen = new Set();
  const all = new Promise((resolve) => {
    client.on(Event.CHANGED, (flag) => {
      seen.add(flag);
      if ([...expected.keys()].every((name) => seen.has(name))) resolve(undefined);
    });
  });
  server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true").replace("default: classic", "default: ocean").replace("default: small", "default: large"));
  await all;
  assert.deepEqual((await read(client)).slice(0, 3), [...expected.values()]);
});

test("is told of a wrong key", async (t) => {
  // Left to itself it tries for ever.
  const { client } = await start(t, { key: "no-such-key", options: { axiosRetries: 0 } });
  await assert.rejects(client.waitForInitialization(), { status: 401 });
});
