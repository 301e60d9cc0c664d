// What an application does with a client: listening, caching, closing, and mistakes of its own.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { startClient, told, untilServed, untilTold } from "../lib/client-page.mjs";
import { PATIENCE_MS } from "../lib/wait.mjs";
import { edit, isFetchOfAll, isSignIn, isStream, setUp, untilSettled } from "./support.mjs";

const browser = await startBrowser({ after });
const KEY = "flagwire-dev-client-key";

for (
  const [build, wanted] of /** @type {[string, RegExp][]} */ ([
    ["index", /^Flagwire: (missing-key|missing-target)\. See https:.*#\1$/],
    ["development", /^Flagwire: .*(API key is missing|target with an identifier is missing); pass .*\. See https:.*#missing-/],
  ])
) {
  test(`a missing key or target throws at once, with a sentence or a code that helps: ${build}.js`, async (t) => {
    const { proxy, url, page } = await setUp(t, browser);
    await page.waitForFunction(() => "start" in window);
    const messages = await page.evaluate(async (file) => {
      const { initialize } = await import(file);
      return [[], [""], [undefined, { identifier: "a" }], [7, { identifier: "a" }], ["key"], ["key", {}], ["key", null], ["key", { identifier: "" }]].map((args) => {
        try {
          initialize(...args);
          return "nothing was thrown";
        } catch (error) {
          return error instanceof Error ? error.message : "not an Error";
        }
      });
    }, `${url}${build}.js`);
    assert.deepEqual(messages.map((message) => wanted.test(message)), messages.map(() => true), messages.join("\n"));
    assert.equal(proxy.requests.length, 0);
  });
}

test("a listener that throws does not stop the others, and is reported", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  await page.waitForFunction(() => "start" in window);
  const reported = /** @type {string[]} */ ([]);
  page.on("console", (message) => reported.push(message.text()));
  await page.evaluate(
    ({ baseUrl, key }) => {
      const { start } = /** @type {any} */ (window);
      const heard = /** @type {unknown[]} */ ([]);
      const client = start("main", key, { identifier: "ada" }, { baseUrl });
      client.on("changed", () => {
        throw new Error("a listener's own mistake");
      });
      client.onFlag("theme", () => {
        throw "not even an Error";
      });
      client.onFlag("theme", (/** @type {unknown} */ value) => heard.push(value));
      Object.assign(window, { heard });
    },
    { baseUrl: proxy.url, key: KEY },
  );
  await untilServed(page, "theme", "classic");
  await proxy.until(() => proxy.streams.size === 1);
  await edit(server, (text) => text.replace("classic", "sunset"));
  await untilServed(page, "theme", "sunset");
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).heard), ["classic", "sunset"]);
  assert.ok(reported.some((text) => text.includes("a listener threw")), reported.join("\n"));
});

test("a logger that throws does no harm", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  await page.waitForFunction(() => "start" in window);
  await page.evaluate(
    ({ baseUrl, key }) => {
      const loud = () => {
        throw new Error("the logger's own mistake");
      };
      const { start } = /** @type {any} */ (window);
      start("main", key, { identifier: "ada" }, { baseUrl, debug: true, logger: { debug: loud, info: loud, warn: loud, error: loud } });
    },
    { baseUrl: proxy.url, key: KEY },
  );
  await untilServed(page, "theme", "classic");
  await proxy.until(() => proxy.streams.size === 1);
  await edit(server, (text) => text.replace("classic", "sunset"));
  await untilServed(page, "theme", "sunset");
});

test("all flags are a plain object, whatever their names", async (t) => {
  const { proxy, page } = await setUp(t, browser);
  await startClient(page, proxy.url);
  await untilSettled(proxy);
  const found = await page.evaluate(() => {
    const { client } = /** @type {any} */ (window).clients.main;
    const names = ["__proto__", "constructor", "7"];
    client.setEvaluations(names.map((flag) => ({ flag, identifier: "v", value: '{"a":1}', kind: "json" })));
    const flags = client.flags();
    return { plain: Object.getPrototypeOf(flags) === Object.prototype, own: names.map((name) => JSON.stringify(Object.getOwnPropertyDescriptor(flags, name)?.value)), theme: flags.theme };
  });
  assert.deepEqual(found, { plain: true, own: ['{"a":1}', '{"a":1}', '{"a":1}'], theme: "classic" });
});

for (const act of ["close", "identify", "variation", "refreshEvaluations", "flush", "setEvaluations", "on", "off"]) {
  test(`a listener may call ${act}()`, async (t) => {
    const { server, proxy, page } = await setUp(t, browser);
    await startClient(page, proxy.url);
    await untilSettled(proxy);
    await page.evaluate((act) => {
      const { client } = /** @type {any} */ (window).clients.main;
      const calls = /** @type {string[]} */ ([]);
      Object.assign(window, { calls });
      client.on("changed", () => {
        calls.push("first");
        if (calls.length > 1) return;
        if (act === "identify") void client.identify({ identifier: "grace" });
        else if (act === "setEvaluations") client.setEvaluations([{ flag: "brought", identifier: "on", value: "true", kind: "boolean" }]);
        else if (act === "on") client.on("changed", () => calls.push("added"));
        else if (act === "off") client.off("changed");
        else client[act]("theme", "");
      });
    }, act);
    await edit(server, (text) => text.replace("classic", "sunset"));
    await page.waitForFunction(() => /** @type {any} */ (window).calls.length > 0, undefined, { polling: 20, timeout: 0 });
    if (act === "close") {
      await proxy.until(() => proxy.streams.size === 0);
      assert.deepEqual(await page.evaluate(() => [/** @type {any} */ (window).clients.main.client.state().status, /** @type {any} */ (window).clients.main.client.variation("theme", "default")]), ["closed", "default"]);
      const { events } = await told(page);
      assert.deepEqual(events.slice(-2).map(({ event }) => event), ["stopped", "state"]);
      return;
    }
    await edit(server, (text) => text.replace("sunset", "ocean"));
    await untilServed(page, "theme", "ocean");
    if (act === "setEvaluations") await untilTold(page, "changed");
  });
}

test("cached values are read at construction, from where another visit or a front end in Rust left them", async (t) => {
  const { page } = await setUp(t, browser);
  await page.waitForFunction(() => "start" in window);
  const [first, state] = await page.evaluate(() => {
    // tests/rust-api has the same place.
    const place = "flagwire-12feff1a2b8f58e8";
    localStorage.setItem(place, JSON.stringify([{ flag: "dark", identifier: "on", value: "true", kind: "boolean" }]));
    localStorage.setItem(`${place}.ts`, String(Date.now()));
    const client = /** @type {any} */ (window).flagwire.initialize("flagwire-dev-client-key", { identifier: "ada" }, { baseUrl: "http://127.0.0.1:1", cache: true, logger: { debug() {}, info() {}, warn() {}, error() {} } });
    const seen = [client.variation("dark", false), client.state().status];
    client.close();
    return seen;
  });
  assert.deepEqual([first, state], [true, "cached"]);
});

test("values are there at construction on the next visit, and are told no second time", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  await startClient(page, proxy.url, { options: { cache: true } });
  await untilSettled(proxy);
  await edit(server, (text) => text.replace("classic", "sunset").replace("size: 10", "size: 20"));
  await untilServed(page, "size", 20);
  await page.evaluate(() => /** @type {any} */ (window).clients.main.client.flush());
  await page.reload();
  await page.waitForFunction(() => "start" in window);
  const first = await page.evaluate(
    ({ baseUrl, key }) => {
      const client = /** @type {any} */ (window).start("main", key, { identifier: "ada" }, { baseUrl, cache: true });
      return [client.variation("theme", ""), client.variation("size", 0), client.state().status];
    },
    { baseUrl: proxy.url, key: KEY },
  );
  assert.deepEqual(first, ["sunset", 20, "cached"]);
  await untilTold(page, "ready");
  assert.deepEqual((await told(page)).changes, [], "nothing differs");
});

for (
  const [what, storage] of /** @type {[string, string][]} */ ([
    ["throws", "{ getItem() { throw new Error('refused'); }, setItem() { throw new Error('refused'); }, removeItem() { throw new Error('refused'); } }"],
    ["is full", "{ getItem: () => null, setItem() { throw new DOMException('full', 'QuotaExceededError'); }, removeItem() {} }"],
    ["rejects", "{ getItem: () => Promise.reject('refused'), setItem: () => Promise.reject('refused'), removeItem: () => Promise.reject('refused') }"],
    ["holds nonsense", "{ getItem: () => '{\"not\": [a list', setItem() {}, removeItem() {} }"],
    [
      "answers late, with older values",
      '{ getItem: (key) => new Promise((resolve) => (window.answer = () => resolve(key.endsWith(\'.ts\') ? \'1\' : \'[{"flag":"theme","identifier":"old","value":"old","kind":"string"}]\'))), setItem() {}, removeItem() {} }',
    ],
  ])
) {
  test(`a storage that ${what} breaks nothing`, async (t) => {
    const { server, proxy, page } = await setUp(t, browser);
    await page.waitForFunction(() => "start" in window);
    await page.evaluate(
      async ({ baseUrl, key, storage }) => {
        const made = new Function(`return ${storage}`)();
        await /** @type {any} */ (window).start("main", key, { identifier: "ada" }, { baseUrl, cache: { storage: made, ttl: 1_000 } }).ready();
      },
      { baseUrl: proxy.url, key: KEY, storage },
    );
    await untilSettled(proxy);
    await edit(server, (text) => text.replace("classic", "sunset"));
    await untilServed(page, "theme", "sunset");
    await page.evaluate(() => {
      /** @type {any} */ (window).answer?.();
      /** @type {any} */ (window).clients.main.client.flush();
    });
    if (!what.startsWith("answers")) await untilTold(page, "cache error");
    await edit(server, (text) => text.replace("sunset", "ocean"));
    await untilServed(page, "theme", "ocean");
    assert.deepEqual((await told(page)).changes.filter(({ flag }) => flag === "theme").map(({ value }) => value), ["classic", "sunset", "ocean"]);
  });
}

/** In which state a client is closed: what to wait for, and what the proxy does meanwhile. */
const STATES = /** @type {[string, (request: import("../lib/proxy.mjs").Seen) => import("../lib/proxy.mjs").Fault, (proxy: import("../lib/proxy.mjs").Proxy) => Promise<unknown>][]} */ ([
  ["before anything was asked", () => ({}), async () => undefined],
  ["while it signs in", (request) => (isSignIn(request) ? { refuse: "hang" } : {}), (proxy) => proxy.until(() => proxy.requests.some(isSignIn))],
  ["while it waits to sign in again", (request) => (isSignIn(request) ? { answer: { status: 503, headers: { "retry-after": "3600" } } } : {}), (proxy) => proxy.until(() => proxy.requests.some(isSignIn))],
  ["while it fetches", (request) => (isFetchOfAll(request) ? { refuse: "hang" } : {}), (proxy) => proxy.until(() => proxy.requests.some(isFetchOfAll))],
  ["while the stream opens", (request) => (isStream(request) ? { refuse: "hang" } : {}), (proxy) => proxy.until(() => proxy.requests.some(isStream))],
  ["while the stream is open", () => ({}), (proxy) => untilSettled(proxy)],
  ["while it waits to open the stream again", (request) => (isStream(request) ? { answer: { status: 503, headers: { "retry-after": "3600" } } } : {}), (proxy) => proxy.until(() => proxy.requests.some(isStream))],
]);

for (const transport of ["fetch", "eventsource"]) {
  for (const [when, decide, reached] of STATES) {
    test(`closing ${when} leaves nothing behind: ${transport}`, async (t) => {
      const { proxy, page } = await setUp(t, browser);
      await page.addInitScript(watch);
      await page.reload();
      proxy.decide = decide;
      const before = await page.evaluate(leftovers);
      await startClient(page, proxy.url, { wait: false, options: { streamTransport: transport, cache: true, pauseWhenHidden: 1_000 } });
      await page.evaluate(() => void /** @type {any} */ (window).clients.main.client.ready(3_600_000).catch(() => undefined));
      await reached(proxy);
      await page.evaluate(() => {
        const { client } = /** @type {any} */ (window).clients.main;
        client.close();
        client.close();
      });
      // Locks and aborted requests end in turns of the event loop that follow.
      await page.waitForFunction(
        ({ before, look }) => JSON.stringify(new Function(`return (${look})()`)()) === before,
        { before: JSON.stringify(before), look: leftovers.toString() },
        { polling: 20, timeout: PATIENCE_MS },
      ).catch(async () => assert.deepEqual(await page.evaluate(leftovers), before));
      // A lock that was granted in the moment of closing is given back a turn later.
      await page.waitForFunction(
        async () => {
          const { held = [], pending = [] } = await navigator.locks.query();
          return held.length + pending.length === 0;
        },
        undefined,
        { polling: 20, timeout: 0 },
      );
      await proxy.until(() => proxy.streams.size === 0);
    });
  }
}

/** Keeps a count of what a page has open. Runs before the page's scripts. */
function watch() {
  const open = { timers: new Set(), listeners: new Set(), requests: new Set(), sources: new Set(), channels: new Set() };
  Object.assign(window, { open });
  const page = /** @type {any} */ (window);
  const { setTimeout, clearTimeout, fetch, EventSource, BroadcastChannel } = page;
  page.setTimeout = (/** @type {any} */ run, /** @type {any} */ ...rest) => {
    const id = setTimeout((/** @type {any} */ ...args) => {
      open.timers.delete(id);
      run(...args);
    }, ...rest);
    open.timers.add(id);
    return id;
  };
  page.clearTimeout = (/** @type {any} */ id) => {
    open.timers.delete(id);
    clearTimeout(id);
  };
  for (const [name, target] of [["window", window], ["document", document]]) {
    const { addEventListener, removeEventListener } = /** @type {any} */ (target);
    const key = (/** @type {any} */ type, /** @type {any} */ run) => `${name} ${type} ${(run.watched ??= Math.random())}`;
    /** @type {any} */ (target).addEventListener = function(/** @type {any} */ type, /** @type {any} */ run, /** @type {any} */ ...rest) {
      open.listeners.add(key(type, run));
      return addEventListener.call(target, type, run, ...rest);
    };
    /** @type {any} */ (target).removeEventListener = function(/** @type {any} */ type, /** @type {any} */ run, /** @type {any} */ ...rest) {
      open.listeners.delete(key(type, run));
      return removeEventListener.call(target, type, run, ...rest);
    };
  }
  page.fetch = async (/** @type {any} */ url, /** @type {any} */ init) => {
    const request = { url };
    open.requests.add(request);
    init?.signal?.addEventListener("abort", () => open.requests.delete(request));
    try {
      const response = await fetch(url, init);
      if (!response.headers.get("content-type")?.startsWith("text/event-stream")) open.requests.delete(request);
      return response;
    } catch (error) {
      open.requests.delete(request);
      throw error;
    }
  };
  page.EventSource = class extends EventSource {
    constructor(/** @type {any} */ ...args) {
      super(...args);
      open.sources.add(this);
    }
  };
  page.BroadcastChannel = class extends BroadcastChannel {
    constructor(/** @type {any} */ name) {
      super(name);
      open.channels.add(this);
    }
    close() {
      open.channels.delete(this);
      super.close();
    }
  };
}

/** What is open now. */
function leftovers() {
  const { timers, listeners, requests, sources, channels } = /** @type {any} */ (window).open;
  return {
    timers: timers.size,
    // Playwright listens, too, for other things.
    listeners: [...listeners].map((text) => text.split(" ")[1]).filter((type) => ["online", "visibilitychange", "pagehide", "pageshow", "error"].includes(type)),
    requests: [...requests].map(({ url }) => String(url)),
    sources: [...sources].filter(({ readyState }) => readyState !== 2).length,
    channels: channels.size,
  };
}
