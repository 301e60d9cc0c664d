// What applications pass: targets that JSON cannot hold, evaluations that are none, identifiers and addresses of every kind. The
// package in Node, against flagwire-server.

import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { packageDir } from "../../scripts/lib/products.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const { FlagwireError, initialize } = await import(pathToFileURL(join(packageDir, "node.js")).href);
const FLAGS = `flags:
  theme: classic
  gold: { default: false, rules: [{ when: { plan: gold }, serve: true }] }
  big: { default: false, rules: [{ when: { account: "12345678901234567890" }, serve: true }] }
`;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * A client that ends with the test, and the targets that it sends: in the sign-in's body, and in the headers of all else.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string} baseUrl
 * @param {any} target
 * @param {object} [options]
 */
function start(t, baseUrl, target, options) {
  const client = initialize(CLIENT_KEY, target, { baseUrl, logger: quiet, ...options });
  atEnd(t, () => client.close());
  const sent = /** @type {any[]} */ ([]);
  client.registerAPIRequestMiddleware((/** @type {[string, RequestInit]} */ [url, init]) => {
    const header = /** @type {any} */ (init.headers)["Harness-Target"];
    sent.push(JSON.parse(header ? Buffer.from(header, "base64").toString() : String(init.body)).target ?? JSON.parse(Buffer.from(header, "base64").toString()));
    return [url, init];
  });
  return { client, sent };
}

/**
 * Puts another response in the place of each stream's.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {(body: ReadableStream<Uint8Array>) => Response} by
 */
function replaceStreams(t, by) {
  const { fetch } = globalThis;
  atEnd(t, () => (globalThis.fetch = fetch));
  globalThis.fetch = async (...request) => {
    const response = await fetch(...request);
    return response.body && response.headers.get("content-type")?.startsWith("text/event-stream") ? by(response.body) : response;
  };
}

/** @param {(this: any) => unknown} get */
const throwing = (get) => Object.defineProperty({}, "mood", { get, enumerable: true });
const circle = /** @type {any} */ ({ plan: "gold" });
circle.self = circle;

for (
  const [what, attributes] of /** @type {[string, unknown][]} */ ([
    ["refer to themselves", circle],
    ["hold a function", { plan: "gold", hash() {} }],
    ["hold a symbol", { plan: Symbol("gold") }],
    [
      "throw when they are read",
      throwing(() => {
        throw new Error("moody");
      }),
    ],
    [
      "throw what no text can be made of",
      throwing(() => {
        throw Object.create(null);
      }),
    ],
    ["throw in toJSON", {
      when: {
        toJSON() {
          throw new Error("moody");
        },
      },
    }],
    [
      "are a proxy that is revoked",
      (() => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      })(),
    ],
  ])
) {
  test(`attributes that ${what} are refused with a sentence, and the client goes on`, async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const target = { identifier: "ada", attributes };
    assert.throws(() => initialize(CLIENT_KEY, target, { baseUrl: server.url }), (error) => {
      assert.ok(error instanceof FlagwireError);
      const { code, message } = /** @type {any} */ (error);
      assert.equal(code, "invalid-target");
      assert.match(message, what.includes("no text") ? /^Flagwire: invalid-target\. See / : /^Flagwire: the target cannot be sent as JSON: .+; pass texts, numbers/);
      return true;
    });
    const { client } = start(t, server.url, { identifier: "grace" });
    await client.ready();
    await assert.rejects(client.identify(target), { code: "invalid-target" });
    assert.equal(client.variation("gold", true), false, "it is still grace");
    await client.identify({ identifier: "ada", attributes: { plan: "gold" } });
    assert.equal(client.variation("gold", false), true);
  });
}

test("a target without an identifier rejects identify, and switches nothing", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const { client } = start(t, server.url, { identifier: "ada" });
  await client.ready();
  const texts = [undefined, null, "ada", {}, { identifier: "" }, { identifier: null }, { identifier: NaN }];
  // What would be one user for all: `[object Object]`. And what JSON makes nothing of.
  for (const target of [...texts, { identifier: { id: 7 } }, { identifier: ["ada"] }, { identifier: Promise.resolve("ada") }, NaN, new Date(NaN), { identifier: "ada", toJSON() {} }]) {
    assert.throws(() => initialize(CLIENT_KEY, target, { baseUrl: server.url }), { code: "missing-target" });
    await assert.rejects(client.identify(target), { code: "missing-target" });
  }
  assert.equal(client.state().status, "ready");
});

test("what JSON cannot hold but texts and lists can is sent as these", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const attributes = {
    plan: "gold",
    account: 12345678901234567890n,
    since: new Date(0),
    roles: new Set(["a", "b"]),
    scores: new Map([["x", 1]]),
    money: { toJSON: () => "10 €" },
    proxied: new Proxy({ deep: [1n] }, {}),
    missing: undefined,
    ratio: NaN,
  };
  const { client, sent } = start(t, server.url, { identifier: 42n, attributes });
  await client.ready();
  assert.deepEqual([client.variation("gold", false), client.variation("big", false)], [true, true]);
  const expected = { plan: "gold", account: "12345678901234567890", since: "1970-01-01T00:00:00.000Z", roles: ["a", "b"], scores: { x: 1 }, money: "10 €", proxied: { deep: ["1"] }, ratio: null };
  assert.ok(sent.length >= 2);
  for (const target of sent) assert.deepEqual(target, { identifier: "42", attributes: expected });
});

test("half a character is replaced wherever it stands, and flags are served", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const nick = "Party 🎉 all night".slice(0, 7);
  const { client, sent } = start(t, server.url, { identifier: nick, name: nick, attributes: { plan: "gold", nick, [nick]: [nick], whole: "🎉", escaped: "\\ud83c" } });
  await client.ready();
  assert.equal(client.variation("gold", false), true);
  const text = "Party \ufffd";
  for (const target of sent) assert.deepEqual(target, { identifier: text, name: text, attributes: { plan: "gold", nick: text, [text]: [text], whole: "🎉", escaped: "\\ud83c" } });
  // Names of flags and variations too, which come from anywhere.
  client.setEvaluations([{ flag: nick, identifier: nick, value: "true", kind: "boolean" }]);
  assert.equal(client.variation(nick, false), true);
  client.flush();
  await server.request(({ path, status }) => path.startsWith("/metrics/") && status === 200);
});

test("later changes of the application's object change nothing that is sent", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const target = { identifier: "ada", attributes: { plan: "gold", deep: { list: [1] } } };
  const { client, sent } = start(t, server.url, target);
  target.attributes.plan = "none";
  target.attributes.deep.list.push(2);
  await client.ready();
  client.refreshEvaluations();
  await server.request(({ path }) => path.endsWith("/evaluations"));
  assert.equal(client.variation("gold", false), true);
  for (const { attributes } of sent) assert.deepEqual(attributes, { plan: "gold", deep: { list: [1] } });
});

test("evaluations that are none are left out, whatever is given", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const good = { flag: "given", identifier: "on", value: "true", kind: "boolean" };
  for (const given of [null, {}, "[]", 7, [null], [{}], [[]], [{ ...good, value: true }], new Map()]) {
    const { client } = start(t, server.url, { identifier: "ada" }, { bootstrap: given });
    assert.deepEqual(client.evaluations(), []);
    client.setEvaluations(given);
    assert.deepEqual(client.evaluations(), []);
    client.close();
    client.setEvaluations(given);
  }
  const warned = /** @type {string[]} */ ([]);
  const logger = { ...quiet, warn: (/** @type {string} */ text) => warned.push(text) };
  const { client } = start(t, server.url, { identifier: "ada" }, { bootstrap: [null, good], logger });
  assert.equal(client.variation("given", false), true);
  client.setEvaluations([undefined, { ...good, value: "false" }]);
  assert.equal(client.variation("given", true), false);
  assert.deepEqual(warned.map((text) => text.slice(0, 60)), ["Flagwire: bootstrap must be a list of evaluations, { flag, i", "Flagwire: setEvaluations must be a list of evaluations, { fl"]);
});

test("a value that is no number is the default, and the detail agrees", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const { client } = start(t, server.url, { identifier: "ada" });
  for (const [value, expected] of /** @type {[string, number][]} */ ([["12px", 5], ["1e999", 5], ["Infinity", 5], ["-Infinity", 5], ["NaN", 5], ["", 5], [" ", 5], ["12", 12], [" 1e2 ", 100], ["-0.5", -0.5]])) {
    for (const kind of ["int", "number", "INT"]) {
      client.setEvaluations([{ flag: "n", identifier: value, value, kind }]);
      assert.equal(client.variation("n", 5), expected, value);
      assert.equal(client.numberVariation("n", 5), expected, value);
      const { value: read, isDefaultValue, reason } = client.variationDetail("n", 5);
      assert.deepEqual([read, isDefaultValue, reason], expected === 5 ? [5, true, "wrong-type"] : [expected, false, "evaluated"]);
      assert.equal(client.flags().n, expected === 5 ? value : expected);
    }
  }
});

test("values of one server are not served for another", async (t) => {
  const kept = new Map();
  const storage = { getItem: (/** @type {string} */ key) => kept.get(key) ?? null, setItem: (/** @type {string} */ key, /** @type {string} */ value) => kept.set(key, value), removeItem: (/** @type {string} */ key) => kept.delete(key) };
  const servers = [await startServer(t, { flags: "flags:\n  a: true\n" }), await startServer(t, { flags: "flags:\n  z: true\n" })];
  const [one, other] = servers.map(({ url }) => url);
  const first = start(t, one ?? "", { identifier: "anonymous" }, { cache: { storage } }).client;
  await first.ready();
  first.close();
  const again = start(t, `${one}//`, { identifier: "anonymous" }, { cache: { storage } }).client;
  assert.deepEqual([again.state().status, again.variation("a", false)], ["cached", true]);
  const elsewhere = start(t, other ?? "", { identifier: "anonymous" }, { cache: { storage } }).client;
  assert.deepEqual([elsewhere.state().status, elsewhere.variation("a", false)], ["initializing", false]);
});

for (const identifier of [".", "..", "...", "a/../b", "a b/c?d#e%f", "%2e", "evaluations", "😀é", "a\r\nb", "\u0000", "x".repeat(20_000)]) {
  test(`the identifier ${JSON.stringify(identifier.slice(0, 20))} is served`, async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const { client } = start(t, server.url, { identifier, attributes: { plan: "gold" } });
    await client.ready();
    assert.equal(client.variation("gold", false), true);
  });
}

test("a flag whose name no address can hold is kept up to date by servers whose events bring no values", async (t) => {
  const server = await startServer(t, { flags: "flags:\n  '.': one\n  '..': one\n" });
  replaceStreams(t, (body) => {
    const decoder = new TextDecoder();
    const strip = (/** @type {Uint8Array} */ bytes) => decoder.decode(bytes).replace(/,"evaluations":\[.*?\]/g, "");
    return new Response(body.pipeThrough(new TransformStream({ transform: (chunk, to) => to.enqueue(new TextEncoder().encode(strip(chunk))) })), { headers: { "content-type": "text/event-stream" } });
  });
  const { client } = start(t, server.url, { identifier: "ada" }, { streamTransport: "fetch" });
  await client.ready();
  assert.deepEqual([client.variation(".", ""), client.variation("..", "")], ["one", "one"]);
  for (const flag of [".", ".."]) {
    const changed = new Promise((resolve) => client.onFlag(flag, resolve));
    server.editFlags((text) => text.replace(`'${flag}': one`, `'${flag}': two`));
    assert.equal(await changed, "two");
  }
});

for (const end of ["", "/", "//", "/api/1.0", "/api/1.0/"]) {
  test(`a base URL that ends with ${JSON.stringify(end)} is fine`, async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const { client } = start(t, server.url + end, { identifier: "ada" });
    await client.ready();
    await new Promise((resolve) => client.state().status === "ready" ? resolve(undefined) : client.on("connected", resolve));
    assert.equal(client.variation("theme", ""), "classic");
  });
}

test("a stream is one whatever the case of its content type", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  replaceStreams(t, (body) => new Response(body, { headers: { "content-type": "Text/Event-Stream; charset=UTF-8" } }));
  const { client } = start(t, server.url, { identifier: "ada" }, { streamTransport: "fetch" });
  await new Promise((resolve) => client.on("connected", resolve));
});

test("a target that is too large for the server is refused with a sentence and the server's own words", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const { client } = start(t, server.url, { identifier: "ada", attributes: { plan: "gold", history: "x".repeat(70_000) } });
  await assert.rejects(client.ready(), (error) => {
    const { code, status, final, message } = /** @type {any} */ (error);
    assert.deepEqual([code, status, final], ["too-large", 413, true]);
    assert.match(message, /the target is too large for the server; pass fewer or shorter attributes; the server says: the body is larger/);
    return true;
  });
  assert.equal(client.state().reason, "refused");
  await client.identify({ identifier: "ada", attributes: { plan: "gold" } });
  assert.equal(client.variation("gold", false), true);
});

test("waits for another target no longer than the limit, and switches all the same", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const proxy = await startProxy(t, server.url);
  const { client } = start(t, proxy.url, { identifier: "user-42", attributes: { plan: "gold" } });
  // A limit that no timer takes is none.
  await client.ready(Infinity);
  assert.equal(client.variation("gold", false), true);
  proxy.decide = () => ({ refuse: "reset" });
  await assert.rejects(client.identify({ identifier: "user-43" }, 100), { code: "timeout", final: false });
  const switched = new Promise((resolve) => client.onFlag("gold", resolve));
  proxy.decide = () => ({});
  assert.equal(await switched, false);
});

test("reads of any name and with any default never throw, in debug neither", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const { client } = start(t, server.url, { identifier: "ada" }, { debug: true });
  await client.ready();
  const moody = {
    toString: () => {
      throw new Error("moody");
    },
  };
  const anything = [undefined, null, NaN, 5n, Symbol("x"), () => {}, {}, Object.create(null), moody, "__proto__", "\ud83d"];
  for (const flag of anything)
    for (const fallback of anything) {
      assert.ok(Object.is(client.variation(/** @type {any} */ (flag), /** @type {any} */ (fallback)), fallback));
      assert.ok(Object.is(client.jsonVariationDetail(/** @type {any} */ (flag), /** @type {any} */ (fallback)).value, fallback));
    }
});

test("neither options nor a limit that are null are anything but missing", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const { client } = start(t, server.url, { identifier: "ada" });
  await client.ready(/** @type {any} */ (null));
  const other = initialize(CLIENT_KEY, { identifier: "ada" }, /** @type {any} */ (null));
  other.close();
});

test("an empty base URL is the page's own origin, also for what is counted", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const { client } = start(t, "", { identifier: "ada" });
  // There is no page here whose origin it could be.
  const asked = /** @type {string[]} */ ([]);
  client.registerAPIRequestMiddleware((/** @type {[string, RequestInit]} */ [url, init]) => {
    asked.push(url);
    return [server.url + url, init];
  });
  await client.ready();
  client.variation("theme", "");
  client.flush();
  await server.request(({ path, status }) => path.startsWith("/metrics/") && status === 200);
  assert.ok(asked.every((url) => url.startsWith("/")), asked.join(" "));
});
