// What the client says where a developer errs or the server cannot be reached. The package in Node, which says sentences.

import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const { initialize } = await import(pathToFileURL(join(packageDir, "node.js")).href);

/**
 * A client that ends with the test, and what it logs: level and text.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string} baseUrl
 * @param {object} [options]
 * @param {string} [key]
 */
function start(t, baseUrl, options, key = CLIENT_KEY) {
  const logged = /** @type {string[]} */ ([]);
  const level = (/** @type {string} */ name) => (/** @type {string} */ text) => logged.push(`${name} ${text}`);
  const logger = { debug: level("debug"), info: level("info"), warn: level("warn"), error: level("error") };
  const client = initialize(key, { identifier: "ada" }, { baseUrl, logger, streamTransport: "fetch", ...options });
  atEnd(t, () => client.close());
  return { client, logged };
}

/** @param {any} client @param {string} event */
const heard = (client, event) => new Promise((resolve) => client.on(event, resolve));

/** A port where nobody listens. @returns {Promise<number>} */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

for (
  const [what, address, wanted] of /** @type {[string, (port: number) => string, RegExp][]} */ ([
    ["refuses connections", (port) => `http://127.0.0.1:${port}`, /the connection was refused: nothing listens there/],
    ["has a name that DNS does not know", () => "http://flags.invalid", /DNS does not (know this name|answer)/],
  ])
) {
  test(`a server that ${what} is warned of once, with the address and the reason`, async (t) => {
    const baseUrl = address(await freePort());
    const { client, logged } = start(t, baseUrl);
    const error = await heard(client, "auth error");
    assert.deepEqual([error.code, error.final], ["network", false]);
    assert.ok(error.cause instanceof Error);
    assert.match(error.message, wanted);
    assert.ok(error.message.includes(baseUrl));
    assert.deepEqual(client.state().reason ?? (await heard(client, "state")).reason, "unreachable");
    assert.equal(client.state().status, "initializing");
    // As if another outage had come.
    client.identify({ identifier: "grace" }).catch(() => {});
    await heard(client, "auth error");
    assert.deepEqual(logged, [`warn ${error.message}`]);
    assert.equal(error.message.match(/Flagwire:/g)?.length, 1);
  });
}

test("what Node says of a request without a code is cited", async (t) => {
  const server = createHttpServer((request, response) => response.writeHead(307, { location: request.url }).end());
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  atEnd(t, () => server.close());
  const { client } = start(t, `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`);
  assert.match((await heard(client, "auth error")).message, /no answer came \(redirect count exceeded\)/);
});

test("a certificate that is none is called so", async (t) => {
  const server = await startServer(t, { flags: "flags:\n  a: true\n" });
  const { client } = start(t, server.url.replace("http:", "https:"));
  assert.match((await heard(client, "auth error")).message, /TLS: |SSL/);
});

test("a refused key is final, says the server's own words, and is the state's reason", async (t) => {
  const server = await startServer(t, { flags: "flags:\n  a: true\n" });
  const { client, logged } = start(t, server.url, {}, "no-such-key");
  await assert.rejects(client.ready(), (error) => {
    const { code, status, final, message } = /** @type {any} */ (error);
    assert.deepEqual([code, status, final], ["unauthorized", 401, true]);
    assert.ok(message.includes(server.url));
    assert.match(message, /^Flagwire: signing in at .* with status 401: the server refused the API key; check that .*; the server says: the key is not known here\. See https:.*#unauthorized$/);
    assert.deepEqual(logged, [`error ${message}`]);
    return true;
  });
  assert.deepEqual([client.state().status, client.state().reason], ["initializing", "refused"]);
});

for (
  const [said, wanted] of /** @type {[unknown, string][]} */ ([
    [["name must be a string", "name is too long"], '; the server says: ["name must be a string","name is too long"]. See '],
    [{ text: "no" }, '; the server says: {"text":"no"}. See '],
    [{ toString: 5 }, '; the server says: {"toString":5}. See '],
    [7, "; the server says: 7. See "],
    [null, "check its identifier and name. See "],
    ["no.\n\u001b[31mFlagwire: all is well. ", "; the server says: no. [31mFlagwire: all is well. See "],
    ["long ".repeat(1000), `; the server says: ${"long ".repeat(60).trim()}. See `],
  ])
) {
  test(`a server whose words are ${JSON.stringify(said)} is cited, and what it answered holds`, async (t) => {
    const server = createHttpServer((_, response) => response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ message: said })));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    atEnd(t, () => server.close());
    const { client } = start(t, `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`);
    await assert.rejects(client.ready(), (error) => {
      const { code, status, message } = /** @type {any} */ (error);
      assert.deepEqual([code, status, client.state().reason], ["bad-request", 400, "refused"]);
      assert.ok(message.includes(wanted), message);
      return true;
    });
  });
}

test("a server key that a page uses is called one", async (t) => {
  const server = await startServer(t, { flags: "flags:\n  a: true\n" });
  const { client, logged } = start(t, server.url, {}, "flagwire-dev-server-key");
  // What a browser sends by itself.
  client.registerAPIRequestMiddleware((/** @type {[string, any]} */ [url, init]) => [url, { ...init, headers: { ...init.headers, origin: "https://shop.example" } }]);
  await assert.rejects(client.ready(), { code: "unauthorized", status: 403, final: true });
  assert.match(logged[0] ?? "", /a server key must not be used in a page: pass a client key of this environment; the server says: a server key must not be used in a browser/);
});

test("reads that give the default are explained in debug, once for each flag and cause", async (t) => {
  const server = await startServer(t, { flags: "flags:\n  dark-mode: true\n  theme: classic\n  size: 10\n" });
  const { client, logged } = start(t, server.url, { debug: true });
  const read = () => {
    client.variation("dark-mdoe", false);
    client.variation("something-else", false);
    client.variation("theme", 7);
    client.variationDetail("size", "ten");
    client.variation("theme", "");
    client.variation("broken", 1);
  };
  read();
  const warnings = () => logged.filter((text) => text.startsWith("warn")).map((text) => text.replace(/\. See https:.*/, ""));
  assert.deepEqual(warnings(), [], "there is no flag yet");
  await client.ready();
  client.setEvaluations([{ flag: "broken", identifier: "x", value: "12px", kind: "int" }]);
  read();
  read();
  assert.deepEqual(warnings(), [
    "warn Flagwire: there is no flag dark-mdoe; its default was returned. Do you mean dark-mode?",
    "warn Flagwire: there is no flag something-else; its default was returned",
    "warn Flagwire: the flag theme is a string and was read with a default that is a number; its default was returned",
    "warn Flagwire: the flag size is a number and was read with a default that is a string; its default was returned",
    'warn Flagwire: the flag broken is of kind int, and its value "12px" is none; its default was returned',
  ]);
  client.close();
  read();
  assert.equal(warnings().length, 5);
});

test("without debug reads are not explained", async (t) => {
  const server = await startServer(t, { flags: "flags:\n  a: true\n" });
  const { client, logged } = start(t, server.url);
  await client.ready();
  client.variation("b", true);
  assert.deepEqual(logged, []);
});

test("who talks to Harness is told once when that ends, in development", async () => {
  const script = `
    import { initialize } from ${JSON.stringify(pathToFileURL(join(packageDir, "node.js")).href)};
    globalThis.fetch = () => new Promise(() => {}); // nobody is asked
    const warned = [];
    const logger = { debug() {}, info() {}, warn: (text) => warned.push(text), error() {} };
    for (const baseUrl of ["https://flags.example.com", "/api", "https://ff.harness.io.example.com", undefined, "https://config.ff.harness.io/api/1.0", undefined]) {
      initialize("key", { identifier: "ada" }, { logger, baseUrl }).close();
      console.log(warned.length);
    }
    console.log(warned.join());
    process.exit();
  `;
  /** @param {NodeJS.ProcessEnv} env */
  const said = async (env) => {
    const { NODE_ENV: _, ...rest } = process.env;
    const { code, output } = await run(process.execPath, ["--input-type=module", "-e", script], { env: { ...rest, ...env } });
    assert.equal(code, 0, output);
    return output.trim().split("\n");
  };
  const [texts, production] = await Promise.all([said({}), said({ NODE_ENV: "production" })]);
  assert.deepEqual(texts.slice(0, 6), ["0", "0", "0", "1", "1", "1"]);
  assert.match(texts[6] ?? "", /^Flagwire: .*2026-12-31 for free plans and on 2027-04-30 for paid plans; pass baseUrl.*#harness-ends$/);
  assert.deepEqual(production, ["0", "0", "0", "0", "0", "0"]);
  const builds = ["index.js", "javascript.js", "development.js", "javascript.cjs"].map((file) => readFileSync(join(packageDir, file), "utf8").includes("2026-12-31"));
  assert.deepEqual(builds, [false, false, true, true]);
});
