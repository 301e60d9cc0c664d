// From the old service to a flags file while published SDKs are connected: a relay first, then the import, then the file takes over.
// Nobody sees another value on the way, and everybody hears of the next change.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { TARGET } from "../lib/flags.mjs";
import { atEnd, tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, SERVER_KEY, serverBinary, startServer } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { nodeClient } from "./node-sdk.mjs";
import { FLAGS, GROUPS } from "./old-service/environment.mjs";
import { OLD_SERVER_KEY, startOldService } from "./old-service/stand-in.mjs";
import { follow, javaClassPath, missing, python } from "./runtimes.mjs";

const run = promisify(execFile);
const browser = await startBrowser({ after });

/** For a program that is waited for on a busy machine. */
const PROGRAM_MS = 120_000;

/** Serves `classic` to everybody, and is changed at the end. */
const THEME = { ...FLAGS.find(({ feature }) => feature === "needs-a-theme"), feature: "theme", prerequisites: [] };

const SCRIPT = `
import { initialize, Event } from "@harnessio/ff-javascript-client-sdk";
import { createRoot } from "react-dom/client";
import { FFContextProvider, useFeatureFlag } from "@harnessio/ff-react-client-sdk";

window.seen = [];
window.log = [];
const values = new Map();
const see = (value) => seen.at(-1) === value || seen.push(value);
window.startScript = (key, target, options) => {
  const client = initialize(key, target, options);
  const read = () => see(client.variation("theme", "default"));
  client.on(Event.READY, read);
  // It reports each flag of its first list as changed, and may fetch the list again.
  client.on(Event.CHANGED, ({ flag, value }) => {
    const text = JSON.stringify(value);
    if (values.has(flag) && values.get(flag) !== text) log.push(flag);
    values.set(flag, text);
    read();
  });
};
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
function App() {
  see(useFeatureFlag("theme", "default"));
}
window.startReact = (apiKey, target, options) =>
  createRoot(document.getElementById("root")).render(<FFContextProvider apiKey={apiKey} target={target} options={{ ...options, logger: quiet }}><App /></FFContextProvider>);
`;

/** What an SDK has evaluated `theme` to, each value once where it is the same again. @typedef {() => string[] | Promise<string[]>} Seen */

/** @param {import("../lib/scope.mjs").Scope} t @param {string} url @param {"startScript" | "startReact"} start */
async function frontEnd(t, url, start) {
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT));
  await page.evaluate(([start, key, target, url]) => window[start](key, target, { baseUrl: url, eventUrl: url }), /** @type {const} */ ([start, CLIENT_KEY, TARGET, url]));
  return { seen: /** @type {Seen} */ (() => page.evaluate(() => window.seen)), log: () => page.evaluate(() => window.log) };
}

/** @param {import("../lib/scope.mjs").Scope} t @param {import("../lib/server.mjs").TestServer} server @returns {Promise<Seen>} */
async function nodeBackEnd(t, server) {
  const { client, close } = nodeClient(t, server);
  await client.waitForInitialization();
  /** @type {string[]} */
  const values = [];
  const look = async () => {
    const value = await client.stringVariation("theme", TARGET, "default");
    if (values.at(-1) !== value) values.push(value);
  };
  const looking = setInterval(look, 20);
  atEnd(t, () => {
    clearInterval(looking);
    return close();
  });
  return () => values;
}

test("published SDKs stay connected while a file takes over, see no value change, and hear the next one", async (t) => {
  const lacks = (await missing("python3", ["-c", "import venv"], "Python 3.9 or later with venv")) ?? (await missing("java", ["-version"], "a JDK of version 17 or later")) ?? (await missing("mvn", ["--version"], "Maven"));
  if (lacks) return t.skip(lacks);
  const [interpreter, classPath] = await Promise.all([python(), javaClassPath()]);

  // Relay first.
  const old = await startOldService(t, { flags: [...FLAGS, THEME], groups: GROUPS });
  const directory = tempDir(t);
  const keyFile = join(directory, "server.key");
  const file = join(directory, "flags.yaml");
  writeFileSync(keyFile, OLD_SERVER_KEY);
  const server = await startServer(t, { args: ["--upstream", old, "--api-key-file", keyFile, "--takeover", file, "--state-dir", join(directory, "state")] });
  const status = async () => (await (await fetch(`${server.url}/status`)).json()).environments.development;
  await until("the relay to be ready", async () => (await fetch(`${server.url}/ready`)).ok);
  const programs = [follow(t, interpreter, ["python/follow.py", server.url, SERVER_KEY]), follow(t, "java", ["-cp", classPath, "java/Follow.java", server.url, SERVER_KEY])];
  const [script, react, node] = await Promise.all([frontEnd(t, server.url, "startScript"), frontEnd(t, server.url, "startReact"), nodeBackEnd(t, server)]);
  const [pythonSees, javaSees] = programs.map(({ lines }) => /** @type {Seen} */ (() => lines.map((line) => line.replace("theme ", ""))));
  /** @type {Record<string, Seen>} */
  const sdks = { "the JavaScript SDK": script.seen, "the React SDK": react.seen, "the Node SDK": node, "the Python SDK": pythonSees, "the Java SDK": javaSees };
  /** Until each has the value. @param {string} value */
  const everybodySees = (value) => Promise.all(Object.entries(sdks).map(([name, seen]) => until(`${name} to see ${value}`, async () => (await seen()).at(-1) === value)));
  // Programs take longest to start.
  await Promise.all(programs.map(({ prints }) => prints("theme classic")));
  await everybodySees("classic");
  const connected = async () => (await status()).clients === Object.keys(sdks).length;
  await until("the server to have a stream for each", connected);

  // Then the import. The file is written as a person would write it, so hardly a flag has the old service's text.
  const { stdout } = await run(serverBinary(), ["import", "--from", old, "--api-key-file", keyFile, "--out", file], { timeout: PROGRAM_MS });
  assert.match(stdout, /: 0 differences$/m);

  // Then the file takes over.
  const reply = await fetch(`${server.url}/admin/source`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ source: "file" }) });
  assert.equal(reply.status, 200, await reply.clone().text());
  assert.equal((await reply.json()).serves, "file");
  assert.equal((await status()).source, file);
  await until("the server to have a stream for each after the takeover", connected);

  // Everybody hears the next change, and has seen none before.
  const edit = await fetch(`${server.url}/admin/flags/theme`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ default: "ocean" }) });
  assert.equal(edit.status, 200, await edit.text());
  await everybodySees("ocean");
  for (const [name, seen] of Object.entries(sdks)) {
    // React renders once before the SDK has its flags.
    assert.deepEqual((await seen()).filter((value) => value !== "default"), ["classic", "ocean"], name);
  }
  assert.deepEqual(await script.log(), ["theme"], "no other flag has changed its value in the page");
});
