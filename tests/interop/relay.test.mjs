// The published Node and JavaScript SDKs at the end of a chain: server ← relay ← relay.

import { join } from "node:path";
import { after, test } from "node:test";
import { Client, FileStore } from "@harnessio/ff-nodejs-server-sdk";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { atEnd, tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, SERVER_KEY, startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
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
    while (!(await fetch(`${server.url}/ready`)).ok) await pause();
  }
  return { origin, far };
}

/** Between two looks at what says nothing by itself. */
function pause() {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

/** @param {import("../lib/scope.mjs").Scope} t @param {TestServer} server */
async function nodeClient(t, server) {
  // Its default store is one file for all processes of the machine.
  const store = new FileStore({ filename: join(tempDir(t), "store.json") });
  const client = new Client(SERVER_KEY, { baseUrl: server.url, eventsUrl: server.url, store, logger: SILENT });
  /** Posts what it counted. */
  const close = async () => {
    client.close();
    await server.request(({ path, status }) => path.includes("/metrics/") && status === 200);
  };
  await client.waitForInitialization();
  await server.request(({ path }) => path.endsWith("/stream"));
  const read = () =>
    Promise.all([
      client.boolVariation("dark-mode", TARGET, true),
      client.stringVariation("theme", TARGET, "default"),
      client.numberVariation("page-size", TARGET, -1),
      client.jsonVariation("limits", TARGET, {}),
      client.boolVariation("free-shipping", TARGET, false),
    ]);
  /** It says that a flag changed before it reads so itself. @param {unknown[]} expected */
  const reads = async (expected) => {
    while (JSON.stringify(await read(), KEYS) !== JSON.stringify(expected, KEYS)) await pause();
  };
  return { close, reads };
}

/** @param {import("../lib/scope.mjs").Scope} t @param {TestServer} server */
async function browserClient(t, server) {
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT));
  await page.evaluate(([key, target, url]) => window.start(key, target, url), /** @type {const} */ ([CLIENT_KEY, TARGET, server.url]));
  await page.waitForFunction(() => window.log.includes("ready") && window.log.includes("connected"));
  /** @param {unknown[]} expected */
  const reads = (expected) =>
    page.waitForFunction(
      ([names, keys, expected]) => JSON.stringify(names.map((name) => window.client.variation(name, "default")), keys) === expected,
      /** @type {const} */ ([NAMES, KEYS, JSON.stringify(expected, KEYS)]),
      { timeout: 0 },
    );
  return { reads };
}

const BEFORE = [false, "classic", 4, { rps: 10, regions: ["eu"] }, true];
const AFTER = [true, "ocean", 12, { rps: 100, regions: ["eu", "us"] }, true];
const change = (/** @type {string} */ text) =>
  text.replace("dark-mode: false", "dark-mode: true").replace("default: classic", "default: ocean").replace("default: small", "default: large").replace("default: free", "default: gold");

test("both read every kind at the end of the chain, and see changes at its beginning live", async (t) => {
  const { origin, far } = await chain(t);
  const back = await nodeClient(t, far);
  atEnd(t, back.close);
  const front = await browserClient(t, far);
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
