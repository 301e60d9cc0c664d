// Published server SDKs over a restart of the server: they drop what is not greater than what they hold, and still hear of the
// next change. The flag is in the full form with a version of its own, and it is changed as the admin page changes it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TARGET } from "../lib/flags.mjs";
import { atEnd } from "../lib/scope.mjs";
import { SERVER_KEY, startServer } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { nodeClient } from "./node-sdk.mjs";
import { follow, javaClassPath, missing, python } from "./runtimes.mjs";

const FLAGS = `flags:
  - feature: theme
    kind: string
    state: on
    version: 3
    offVariation: classic
    defaultServe: { variation: classic }
    variations:
      - { identifier: classic, value: classic }
      - { identifier: ocean, value: ocean }
      - { identifier: forest, value: forest }
`;

/** @param {import("../lib/server.mjs").TestServer} server @param {string} variation */
async function change(server, variation) {
  const reply = await fetch(`${server.url}/admin/flags/theme`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ default: variation }),
  });
  assert.equal(reply.status, 200, await reply.text());
}

/**
 * @param {import("../lib/server.mjs").TestServer} server
 * @param {(value: string) => Promise<unknown>} sees until the SDK evaluates to it
 * @param {{ comesBack?: boolean }} [sdk] whether it fetches, or says what it has seen, as it opens the stream again
 */
async function throughARestart(server, sees, { comesBack = true } = {}) {
  await sees("classic");
  await server.stream();
  await change(server, "ocean");
  await sees("ocean");
  server.forgetRequests();
  await server.stop();
  // While it is down, so that nothing but the way back tells of it.
  server.editFlags((text) => text.replace("variation: ocean", "variation: forest"));
  await server.start();
  await server.stream();
  if (comesBack) await sees("forest");
  // And live again.
  await change(server, "classic");
  await sees("classic");
}

test("the Node SDK hears of changes over a restart", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const { client, close } = nodeClient(t, server);
  atEnd(t, close);
  await client.waitForInitialization();
  /** It polls while there is no stream, and tells nobody of what it finds then. @param {string} value */
  const sees = (value) => until(`it to evaluate to ${value}`, async () => (await client.stringVariation("theme", TARGET, "default")) === value);
  // It opens the stream again without a fetch and without an id; what it missed it learns with the flag's next change.
  await throughARestart(server, sees, { comesBack: false });
});

test("the Python SDK hears of changes over a restart", async (t) => {
  const lacks = await missing("python3", ["-c", "import venv"], "Python 3.9 or later with venv");
  if (lacks) return t.skip(lacks);
  const interpreter = await python();
  const server = await startServer(t, { flags: FLAGS });
  const sdk = follow(t, interpreter, ["python/follow.py", server.url, SERVER_KEY]);
  await throughARestart(server, (value) => sdk.prints(`theme ${value}`));
});

test("the Python SDK hears of a change made while the server was down, without any event before", async (t) => {
  const lacks = await missing("python3", ["-c", "import venv"], "Python 3.9 or later with venv");
  if (lacks) return t.skip(lacks);
  const interpreter = await python();
  const server = await startServer(t, { flags: FLAGS });
  const sdk = follow(t, interpreter, ["python/follow.py", server.url, SERVER_KEY]);
  await sdk.prints("theme classic");
  await server.stream();
  await server.stop();
  server.editFlags((text) => text.replace("variation: classic", "variation: forest"));
  await server.start();
  await sdk.prints("theme forest");
});

test("the Java SDK hears of changes over a restart", async (t) => {
  const lacks = (await missing("java", ["-version"], "a JDK of version 17 or later")) ?? (await missing("mvn", ["--version"], "Maven"));
  if (lacks) return t.skip(lacks);
  const classPath = await javaClassPath();
  const server = await startServer(t, { flags: FLAGS });
  const sdk = follow(t, "java", ["-cp", classPath, "java/Follow.java", server.url, SERVER_KEY]);
  await throughARestart(server, (value) => sdk.prints(`theme ${value}`));
});
