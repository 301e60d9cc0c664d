// The published Node and JavaScript SDKs at the end of a chain: server ← relay ← relay.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, SERVER_KEY, startServer } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { nodeClient } from "./node-sdk.mjs";

const browser = await startBrowser({ after });
/** Keys of JSON values, which are compared as text, in one order. */
const KEYS = ["rps", "regions"];
const NAMES = ["dark-mode", "theme", "page-size", "limits", "free-shipping"];
const SCRIPT = `
import { initialize, Event } from "@harnessio/ff-javascript-client-sdk";
window.log = [];
window.start = (key, target, url) => {
  window.client = initialize(key, target, { baseUrl: url, eventUrl: url });
  for (const event of Object.values(Event)) client.on(event, () => log.push(event));
};
`;

/** @typedef {import("../lib/server.mjs").TestServer} TestServer */

/** @param {import("../lib/scope.mjs").Scope} t */
async function chain(t) {
  const relay = (/** @type {string} */ upstream) => startServer(t, { args: ["--upstream", upstream, "--api-key", SERVER_KEY, "--metrics-ms", "100"] });
  const origin = await startServer(t, { flags: FLAGS });
  const near = await relay(`${origin.url}/api/1.0`);
  const far = await relay(near.url);
  for (const server of [near, far]) {
    await server.line(/upstream's stream is open/);
    // The published SDK in the page never recovers from a server that has no flags yet.
    await until("a relay to be ready", async () => (await fetch(`${server.url}/ready`)).ok);
  }
  return { origin, near, far };
}

/** @param {TestServer} server */
async function status(server) {
  return (await (await fetch(`${server.url}/status`)).json()).environments.development;
}

/** Clients say that a flag changed before they read so themselves. @param {() => Promise<unknown[]>} read */
function reader(read) {
  const text = (/** @type {unknown[]} */ values) => JSON.stringify(values, KEYS);
  return (/** @type {unknown[]} */ expected) => {
    let last = "";
    return until(
      () => `a client to read ${text(expected)}; the last time it read ${last}`,
      async () => (last = text(await read())) === text(expected),
    );
  };
}

/** @param {import("../lib/scope.mjs").Scope} t @param {TestServer} server */
async function backEnd(t, server) {
  const { client, close } = nodeClient(t, server);
  await client.waitForInitialization();
  await server.stream();
  const read = () =>
    Promise.all([
      client.boolVariation("dark-mode", TARGET, true),
      client.stringVariation("theme", TARGET, "default"),
      client.numberVariation("page-size", TARGET, -1),
      client.jsonVariation("limits", TARGET, {}),
      client.boolVariation("free-shipping", TARGET, false),
    ]);
  return { close, reads: reader(read) };
}

/** @param {import("../lib/scope.mjs").Scope} t @param {TestServer} server */
async function frontEnd(t, server) {
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT));
  await page.evaluate(([key, target, url]) => window.start(key, target, url), /** @type {const} */ ([CLIENT_KEY, TARGET, server.url]));
  await until("the page to be ready and connected", () => page.evaluate(() => window.log.includes("ready") && window.log.includes("connected")));
  return { reads: reader(() => page.evaluate((names) => names.map((name) => window.client.variation(name, "default")), NAMES)) };
}

const BEFORE = [false, "classic", 4, { rps: 10, regions: ["eu"] }, true];
const AFTER = [true, "ocean", 12, { rps: 100, regions: ["eu", "us"] }, true];
const change = (/** @type {string} */ text) => text.replace("dark-mode: false", "dark-mode: true").replace("default: classic", "default: ocean").replace("default: small", "default: large").replace("default: free", "default: gold");

test("both read every kind at the end of the chain, and see changes at its beginning live", async (t) => {
  const { origin, far } = await chain(t);
  const back = await backEnd(t, far);
  atEnd(t, back.close);
  const front = await frontEnd(t, far);
  const both = (/** @type {unknown[]} */ expected) => Promise.all([back.reads(expected), front.reads(expected)]);
  await both(BEFORE);
  origin.editFlags(change);
  await both(AFTER);
  // A target group that comes into being, with a flag that asks for it.
  origin.editFlags((text) => `${text.replace("- when: { plan: gold }", "- when: { group: nobody }")}groups:\n  nobody: { include: [user-1] }\n`);
  await both([...AFTER.slice(0, 4), false]);
  origin.editFlags((text) => text.replace("include: [user-1]", `include: [user-1, ${TARGET.identifier}]`));
  await both(AFTER);
});

test("a relay in the middle that dies and comes back costs neither of them a change", async (t) => {
  const { origin, near, far } = await chain(t);
  const back = await backEnd(t, far);
  atEnd(t, back.close);
  const front = await frontEnd(t, far);
  await near.kill();
  await until("the far relay to notice", async () => (await status(far)).state === "degraded");
  assert.deepEqual((await (await fetch(`${far.url}/ready`)).json()).waitingFor, []);
  // While nobody can tell.
  origin.editFlags(change);
  await Promise.all([back.reads(BEFORE), front.reads(BEFORE)]);
  await near.start();
  await Promise.all([back.reads(AFTER), front.reads(AFTER)]);
});

test("what is counted at the end arrives at the beginning", async (t) => {
  const { origin, near, far } = await chain(t);
  const back = await backEnd(t, far);
  await back.reads(BEFORE);
  await back.close();
  const total = async (/** @type {TestServer} */ server) => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return /flagwire_evaluations_total\{[^}]*flag="theme",variation="classic"[^}]*\} (\d+)/.exec(text)?.[1];
  };
  for (const server of [near, origin]) await server.request(({ method, path, status }) => method === "POST" && path.includes("/metrics/") && status === 200);
  assert.ok(await total(far), "something was counted");
  assert.equal(await total(origin), await total(far));
});
