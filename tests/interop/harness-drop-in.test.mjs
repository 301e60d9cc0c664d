// The same scripts with the published `@harnessio/ff-javascript-client-sdk` and with `flagwire/harness` in its place, in
// Chromium: what listeners hear, and what reads give, is the same.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, describe, test } from "node:test";
import { startBrowser, openPage } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";

const PUBLISHED = "@harnessio/ff-javascript-client-sdk";
const browser = await startBrowser({ after });
/** Runs in the page. Errors are compared as such: their texts are each library's own. */
const SCRIPT = `
import { initialize, Event } from "${PUBLISHED}";
const told = (payload) => payload instanceof Error || payload instanceof Response || typeof payload === "string" ? "error" : payload && structuredClone({ ...(Array.isArray(payload) ? { list: payload } : payload), ...("flag" in payload && "kind" in payload && { value: payload.value }) });
const quiet = () => {};
window.Event_ = Event;
window.start = (key, target, options) => {
  window.log = [];
  window.requests = [];
  window.client = initialize(key, target, { logger: { debug: quiet, info: quiet, warn: quiet, error: quiet }, ...options });
  for (const event of Object.values(Event)) client.on(event, (payload) => log.push(payload === undefined ? [event] : [event, told(payload)]));
  client.registerAPIRequestMiddleware(([url, init]) => {
    requests.push([init.method ?? "GET", new URL(url).pathname.replace(/env\\/[^/]+/, "env/…"), "Harness-SDK-Info" in init.headers || "API-Key" in init.headers]);
    const changed = new URL(url);
    changed.searchParams.set("via", "gateway");
    return [changed.href, init];
  });
};
`;

/** @typedef {{ name: string, alias: Record<string, string> }} Library */
/** @type {Library[]} */
const LIBRARIES = [
  { name: "published", alias: {} },
  { name: "flagwire/harness", alias: { [PUBLISHED]: "flagwire/harness" } },
];

/**
 * A test of a script: run with both libraries, and the results compared.
 *
 * @param {string} name
 * @param {(t: import("../lib/scope.mjs").Scope, library: Library) => Promise<unknown>} script
 */
function same(name, script) {
  test(name, async (t) => {
    const [published, ours] = await Promise.all(LIBRARIES.map((library) => script(t, library)));
    assert.deepEqual(ours, published);
  });
}

/** @param {import("../lib/scope.mjs").Scope} t @param {Library} library */
async function open(t, { alias }) {
  return openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT, { alias }));
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} url
 * @param {object} [options]
 * @param {object} [target]
 * @param {string} [key]
 */
async function start(page, url, options = {}, target = TARGET, key = CLIENT_KEY) {
  await page.evaluate(([key, target, options]) => window.start(key, target, options), /** @type {const} */ ([key, target, { baseUrl: url, eventUrl: url, ...options }]));
}

/** The log up to the first event of a name, or of a flag. @param {import("playwright-core").Page} page @param {string} name @param {string} [flag] */
async function until(page, name, flag) {
  const log = await page.waitForFunction(
    ([name, flag]) => {
      const index = window.log.findIndex(([event, payload]) => event === name && (!flag || payload.flag === flag));
      return index >= 0 && window.log.slice(0, index + 1);
    },
    /** @type {const} */ ([name, flag]),
  );
  return log.jsonValue();
}

/** Waits until nothing more follows the opening of the stream: ours fetches all once more then. @param {import("playwright-core").Page} page @param {Library} library */
async function settled(page, library) {
  await until(page, "connected");
  const lists = library.name === "published" ? 1 : 2;
  await page.waitForFunction((lists) => window.log.filter(([event]) => event === "flags loaded").length >= lists, lists);
}

/** @param {import("playwright-core").Page} page */
const forget = (page) => page.evaluate(() => void (window.log.length = 0));

/**
 * A server that answers as the test says.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {(path: string) => { status?: number, body?: unknown } | undefined} answer without an answer the request stays open
 */
async function stub(t, answer) {
  const server = createServer((request, response) => {
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("access-control-allow-headers", "*, Authorization");
    if (request.method === "OPTIONS") return void response.end();
    const { status = 200, body } = answer(new URL(request.url ?? "", "http://stub").pathname) ?? {};
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body ?? {}));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  atEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
}

/** The published SDK takes any JSON that was fetched again for changed. */
const WITHOUT_JSON = FLAGS.replace(/  limits:[^]*?(?=  free-shipping)/, "");
const TOKEN = { authToken: `e30.${Buffer.from(JSON.stringify({ environment: "e1", environmentIdentifier: "dev", clusterIdentifier: "1", accountID: "a" })).toString("base64url")}.x` };

describe("drop-in", () => {
  test("exports the same names", async (t) => {
    const exported = await Promise.all(
      LIBRARIES.map(async ({ alias }) => {
        const page = await openPage(t, browser, await servePage(t, import.meta.dirname, `import * as sdk from "${PUBLISHED}"; window.exported = [Object.keys(sdk).sort(), sdk.Event];`, { alias }));
        return page.waitForFunction(() => window.exported).then((found) => found.jsonValue());
      }),
    );
    assert.deepEqual(exported[1], exported[0]);
  });

  same("starts, reads, changes, creates, deletes and closes alike", async (t, library) => {
    const server = await startServer(t, { flags: FLAGS });
    const page = await open(t, library);
    await start(page, server.url);
    const results = [await until(page, "connected")];
    results.push(
      await page.evaluate(() => [
        ["dark-mode", "theme", "page-size", "limits", "free-shipping", "no-such-flag"].map((flag) => window.client.variation(flag, "default")),
        window.client.variation("theme", 7, true),
        window.client.variation("no-such-flag", 7, true),
        window.log.slice(-1),
      ]),
    );
    await settled(page, library);
    for (
      const [from, to, flag] of [
        ["dark-mode: false", "dark-mode: true", "dark-mode"],
        ["default: free", "default: gold", "limits"],
        ["flags:\n", "flags:\n  brand-new: 7\n", "brand-new"],
        ["  brand-new: 7\n", "", "brand-new"],
      ]
    ) {
      await forget(page);
      server.editFlags((text) => text.replace(from, to));
      results.push(await until(page, "changed", flag), await page.evaluate((flag) => window.client.variation(flag, "default"), flag));
    }
    results.push(await page.evaluate(() => ((window.log.length = 0), window.client.close(), [window.log, window.client.variation("theme", "default"), window.log.length])));
    return results;
  });

  for (const options of [{ streamEnabled: false }, { streamEnabled: false, pollingEnabled: true }, { pollingEnabled: false }, { enableAnalytics: false }]) {
    same(`starts alike with ${JSON.stringify(options)}`, async (t, library) => {
      const server = await startServer(t, { flags: FLAGS });
      const page = await open(t, library);
      await start(page, server.url, options);
      return [await until(page, "ready"), await page.evaluate(() => (window.client.off(), window.client.variation("theme", "default")))];
    });
  }

  same("is ready early with what setEvaluations gives, on the next macrotask", async (t, library) => {
    const server = await startServer(t, { flags: FLAGS });
    const page = await open(t, library);
    const list = [
      { flag: "theme", identifier: "ocean", value: "ocean", kind: "string" },
      { flag: "free-shipping", identifier: "true", value: true, kind: "boolean" },
      { flag: "page-size", identifier: "small", value: 4, kind: "int" },
    ];
    const at = await page.evaluate(
      async ([key, target, url, list]) => {
        window.start(key, target, { baseUrl: url, eventUrl: url });
        window.client.setEvaluations([]);
        window.client.setEvaluations(list);
        const before = [window.log.length, window.client.variation("theme", "default")];
        window.log.length = 0;
        await Promise.resolve();
        return [before, window.log.length];
      },
      /** @type {const} */ ([CLIENT_KEY, TARGET, server.url, list]),
    );
    return [at, await until(page, "flags loaded"), await until(page, "connected"), await page.evaluate(() => window.client.variation("theme", "default"))];
  });

  same("is ready early with what the cache holds", async (t, library) => {
    const server = await startServer(t, { flags: WITHOUT_JSON });
    const page = await open(t, library);
    await start(page, server.url, { cache: true });
    await until(page, "connected");
    const kept = await page.waitForFunction(() => localStorage.length === 2 && Object.entries(localStorage).filter(([key]) => !key.endsWith(".ts"))).then((it) => it.jsonValue());
    await page.evaluate(() => window.client.close());
    server.editFlags((text) => text.replace("default: classic", "default: ocean"));
    await server.line(/"flags loaded".*"changes":1/);
    await page.reload();
    await page.waitForFunction(() => window.start);
    await start(page, server.url, { cache: true });
    return [kept, await until(page, "cache loaded"), await until(page, "flags loaded"), (await until(page, "connected")).filter(([event]) => event === "ready").length];
  });

  same("is ready with nothing when the first fetch fails", async (t, library) => {
    const url = await stub(t, (path) => (path.endsWith("/auth") ? { body: TOKEN } : { status: 500 }));
    const page = await open(t, library);
    await start(page, url, { streamEnabled: false, pollingEnabled: false });
    return until(page, "ready");
  });

  for (const status of [401, 500]) {
    same(`says auth error, then error, when signing in fails with ${status}`, async (t, library) => {
      const url = await stub(t, () => ({ status }));
      const page = await open(t, library);
      await start(page, url);
      return until(page, "error");
    });
  }

  same("says alike that the stream is lost", async (t, library) => {
    const server = await startServer(t, { flags: FLAGS });
    const page = await open(t, library);
    await start(page, server.url);
    // To cut off the list that ours fetches would be another test.
    await settled(page, library);
    await forget(page);
    await server.stop();
    return until(page, "disconnected");
  });

  same("applies middleware to every request", async (t, library) => {
    const server = await startServer(t, { flags: FLAGS, args: ["--event-evaluations", "false"] });
    const page = await open(t, library);
    /** @type {string[]} */
    const sent = [];
    page.on("request", (request) => void (request.url().startsWith(server.url) && sent.push(request.url())));
    await start(page, server.url);
    await settled(page, library);
    server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true"));
    await until(page, "changed", "dark-mode");
    await page.waitForFunction(() => window.requests.some(([, path]) => path.endsWith("/evaluations/dark-mode")));
    const requests = await page.evaluate(() => window.requests);
    assert.ok(sent.length >= 4 && sent.every((url) => url.includes("via=gateway")), sent.join("\n"));
    // Ours fetches all once more when the stream has opened.
    return [...new Set(requests.map((request) => JSON.stringify(request)))].sort();
  });

  same("refreshes at most once a minute", async (t, library) => {
    const server = await startServer(t, { flags: WITHOUT_JSON });
    const page = await open(t, library);
    await start(page, server.url, { streamEnabled: false });
    await until(page, "ready");
    await page.evaluate(() => {
      window.log.length = 0;
      for (let i = 0; i < 5; i++) window.client.refreshEvaluations();
    });
    const loaded = await until(page, "flags loaded");
    await page.evaluate(() => window.client.refreshEvaluations());
    const fetches = (await server.answered()).filter(({ method, path }) => method === "GET" && path.endsWith("/evaluations")).length;
    return [loaded, fetches];
  });

  same("takes numeric target identifiers", async (t, library) => {
    const server = await startServer(t, { flags: FLAGS });
    const page = await open(t, library);
    await start(page, server.url, {}, { identifier: 42, attributes: { plan: "gold" } });
    await until(page, "ready");
    await server.request(({ path }) => path.endsWith("/target/42/evaluations"));
    return page.evaluate(() => window.client.variation("free-shipping", false));
  });

  for (
    const [what, options] of /** @type {const} */ ([
      ["while it polls alone", { streamEnabled: false, pollingEnabled: true }],
      ["with neither stream nor polling", { streamEnabled: false }],
      ["with a stream and no polling", { pollingEnabled: false }],
    ])
  ) {
    same(`closes alike ${what}`, async (t, library) => {
      const server = await startServer(t, { flags: FLAGS });
      const page = await open(t, library);
      await start(page, server.url, options);
      await until(page, "streamEnabled" in options ? "ready" : "connected");
      return page.evaluate(() => {
        window.log.length = 0;
        window.client.close();
        window.client.variation("theme", "default");
        window.client.close();
        return window.log;
      });
    });
  }

  same("closes alike before it is ready", async (t, library) => {
    const server = await startServer(t, { flags: FLAGS });
    const page = await open(t, library);
    return page.evaluate(
      ([key, target, url]) => {
        window.start(key, target, { baseUrl: url, eventUrl: url });
        window.client.close();
        return window.log;
      },
      /** @type {const} */ ([CLIENT_KEY, TARGET, server.url]),
    );
  });

  same("closes alike while polling stands in for a lost stream", async (t, library) => {
    const server = await startServer(t, { flags: FLAGS });
    const page = await open(t, library);
    await start(page, server.url);
    await until(page, "connected");
    await server.stop();
    // At once, as the stream is tried again soon.
    const closed = await page.waitForFunction(() => {
      if (!window.log.some(([event]) => event === "polling")) return undefined;
      window.log.length = 0;
      window.client.close();
      return window.log.map(([event]) => event);
    });
    return closed.jsonValue();
  });

  same("gives changes alike, whichever way they are looked at", async (t, library) => {
    const server = await startServer(t, { flags: FLAGS });
    const page = await open(t, library);
    await page.evaluate(
      ([key, target, url]) => {
        window.start(key, target, { baseUrl: url, eventUrl: url });
        window.looked = [];
        window.client.on("changed", (change) => window.looked.push([change.flag, change.value, { ...change }, Object.keys(change), JSON.stringify(change), "value" in change, change.deleted]));
      },
      /** @type {const} */ ([CLIENT_KEY, TARGET, server.url]),
    );
    await until(page, "connected");
    await forget(page);
    server.editFlags((text) => text.replace("default: small", "default: large"));
    await until(page, "changed", "page-size");
    server.editFlags((text) => text.replace(/  page-size:[^]*?(?=  limits)/, ""));
    await page.waitForFunction(() => window.looked.some(([, , , , , , deleted]) => deleted));
    return page.evaluate(() => window.looked);
  });

  same("stops listeners alike", async (t, library) => {
    const server = await startServer(t, { flags: FLAGS });
    const page = await open(t, library);
    return page.evaluate(
      async ([key, target, url]) => {
        window.start(key, target, { baseUrl: url, eventUrl: url });
        const { client, Event_: Event } = window;
        /** @type {unknown[]} */
        const calls = [];
        const one = () => calls.push("one");
        const other = () => calls.push("other");
        client.on(Event.READY, one);
        client.on(Event.READY, one);
        client.on(Event.READY, other);
        client.off(Event.READY, one);
        client.off(Event.READY, () => {});
        await new Promise((resolve) => client.on(Event.READY, resolve));
        return [calls, client.on(Event.CHANGED, one)];
      },
      /** @type {const} */ ([CLIENT_KEY, TARGET, server.url]),
    );
  });

  same("asks Harness where no URL is given", async (t, library) => {
    const page = await open(t, library);
    /** @type {string[]} */
    const asked = [];
    await page.route(/ff\.harness\.io/, (route) => {
      asked.push(`${route.request().method()} ${route.request().url()}`);
      const headers = { "access-control-allow-origin": "*" };
      const { pathname } = new URL(route.request().url());
      return route.fulfill({ status: 200, headers, json: pathname.endsWith("/auth") ? TOKEN : pathname.endsWith("/evaluations") ? [{ flag: "a", identifier: "on", value: "true", kind: "boolean" }] : {} });
    });
    await page.clock.install();
    await page.evaluate(([key, target]) => window.start(key, target, { streamEnabled: false }), /** @type {const} */ ([CLIENT_KEY, TARGET]));
    await until(page, "ready");
    await page.evaluate(() => window.client.variation("a", false));
    const metrics = page.waitForResponse(/metrics/);
    await page.clock.fastForward(61_000);
    await metrics;
    return asked;
  });

  same("counts each flag once in 500 ms", async (t, library) => {
    const server = await startServer(t, { flags: FLAGS });
    const page = await open(t, library);
    await page.clock.install();
    await start(page, server.url, { streamEnabled: false });
    await until(page, "ready");
    // Until then the clock goes with the real one, whose own milliseconds would count besides.
    await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 30_000);
    const read = () => page.evaluate(() => ["theme", "theme", "page-size", "no-such-flag"].forEach((flag) => window.client.variation(flag, "default")));
    for (const wait of [499, 2, 1000]) {
      await read();
      await page.clock.runFor(wait);
    }
    const posted = page.waitForRequest(/metrics/);
    await page.clock.fastForward(61_000);
    const { metricsData } = (await posted).postDataJSON();
    return metricsData
      .map(({ count, attributes }) => [count, ...attributes.filter(({ key }) => !key.startsWith("SDK_")).map(({ value }) => value)])
      .sort((one, other) => (one[1] < other[1] ? -1 : 1));
  });
});
