// What clients keep in a page: by flags, by client, and after very many events.

import { startBrowser } from "../../tests/lib/browser.mjs";
import { atEnd } from "../../tests/lib/scope.mjs";
import { bundle, serve } from "../lib/bundle.mjs";
import { CLIENT_KEY, flagName, flagsFile, startServer } from "../lib/server.mjs";
import { short, summary, table } from "../lib/stats.mjs";

export const title = "Memory";

const SDKS = /** @type {const} */ (["flagwire", "harness"]);
const NAMES = { flagwire: "Flagwire", harness: "Harness" };
/** Clients without a stream: six of those would fill the browser's connections to one origin. */
const MORE = 10;

const SCRIPTS = {
  flagwire: `import { initialize } from "flagwire"; ${body()}`,
  harness: `import { initialize } from "@harnessio/ff-javascript-client-sdk"; ${body()}`,
};

function body() {
  return `
    window.changes = 0;
    const clients = [];
    export function start(key, options, target, events) {
      const client = initialize(key, target, options);
      clients.push(client);
      client.on("changed", () => { changes++; });
      return Promise.all(events.map((name) => new Promise((resolve) => client.on(name, resolve)))).then(() => {});
    }
    export function read(flags) {
      let on = 0;
      for (const client of clients) for (const flag of flags) if (client.variation(flag, false) === true) on++;
      return on;
    }`;
}

/**
 * @typedef {{ js: number, wasm: number }} Use bytes: of JavaScript's heap after a collection, and of WebAssembly's memory
 * @typedef {{ sdk: typeof SDKS[number], flags: number, empty: Use[], one: Use[], eleven: Use[] }} Held
 * @typedef {{ sdk: typeof SDKS[number], events: number, told: number, before: Use, after: Use }} Aged
 * @typedef {{ held: Held[], aged: Aged[], more: number }} Data
 */

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {{ quick: boolean, say: (text: string) => void }} options
 * @returns {Promise<Data>}
 */
export async function measure(scope, { quick, say }) {
  const rounds = quick ? 1 : 3;
  const events = quick ? 20 : 1_500;
  const folder = await bundle(scope, SCRIPTS);
  const pages = await serve(scope, folder);
  const browser = await startBrowser(scope);
  /** @type {Held[]} */
  const held = [];
  for (const flags of quick ? [100] : [1_000, 10_000]) {
    say(`${flags} flags`);
    const server = await startServer(scope, { flags: flagsFile(flags) });
    const results = SDKS.map((sdk) => ({ sdk, flags, empty: /** @type {Use[]} */ ([]), one: /** @type {Use[]} */ ([]), eleven: /** @type {Use[]} */ ([]) }));
    for (let round = 0; round < rounds; round++) {
      for (const result of results) {
        const page = await open(browser, pages, result.sdk);
        result.empty.push(await page.use());
        await page.start({ baseUrl: server.url, streamEnabled: false, pollingEnabled: false }, "user-0", ["ready"]);
        result.one.push(await page.use());
        for (let index = 1; index <= MORE; index++) await page.start({ baseUrl: server.url, streamEnabled: false, pollingEnabled: false }, `user-${index}`, ["ready"]);
        result.eleven.push(await page.use());
        const on = await page.read([flagName(1)]);
        if (on !== MORE + 1) throw new Error(`${on} of ${MORE + 1} clients have their values`);
        await page.close();
      }
    }
    held.push(...results);
  }

  say(`${events} events`);
  /** @type {Aged[]} */
  const aged = [];
  const server = await startServer(scope, { flags: flagsFile(1_000) });
  const both = [];
  for (const sdk of SDKS) {
    const page = await open(browser, pages, sdk);
    atEnd(scope, () => page.close());
    await page.start({ baseUrl: server.url }, "user-42", ["ready", "connected"]);
    both.push({ sdk, page });
  }
  // A first part of the events is warm-up: caches and compiled code are there afterwards.
  let changed = 0;
  const change = async (/** @type {number} */ count) => {
    for (const end = changed + count; changed < end; changed++) {
      const [index, turned] = [changed % 50, Math.floor(changed / 50) % 2 === 0];
      await server.set(flagName(index), (index % 2 === 1) !== turned);
    }
  };
  await change(quick ? 10 : 500);
  const before = [];
  for (const { page } of both) before.push(await page.use());
  const told = await Promise.all(both.map(({ page }) => page.changes()));
  await change(events);
  for (const [index, { sdk, page }] of both.entries()) {
    aged.push({ sdk, events, told: (await page.changes()) - told[index], before: before[index], after: await page.use() });
  }
  return { held, aged, more: MORE };
}

/**
 * @param {import("playwright-core").Browser} browser
 * @param {string} pages
 * @param {typeof SDKS[number]} sdk
 */
async function open(browser, pages, sdk) {
  const context = await browser.newContext();
  const page = await context.newPage();
  // WebAssembly's memory is not on JavaScript's heap, and the package does not hand it out.
  await page.addInitScript(() => {
    const memories = (/** @type {any} */ (window).memories = []);
    const keep = (/** @type {WebAssembly.Instance} */ { exports }) => memories.push(...Object.values(exports).filter((one) => one instanceof WebAssembly.Memory));
    WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
      construct(target, args) {
        const instance = Reflect.construct(target, args);
        keep(instance);
        return instance;
      },
    });
    for (const name of /** @type {const} */ (["instantiate", "instantiateStreaming"])) {
      const original = /** @type {any} */ (WebAssembly[name]);
      /** @type {any} */ (WebAssembly)[name] = async (/** @type {unknown[]} */ ...all) => {
        const result = await original.apply(WebAssembly, all);
        keep(result.instance ?? result);
        return result;
      };
    }
  });
  await page.goto(pages);
  const session = await context.newCDPSession(page);
  await page.evaluate(async (script) => void (/** @type {any} */ (window).sdk = await import(script)), `/${sdk}.js`);
  return {
    /** @returns {Promise<Use>} */
    async use() {
      // What is garbage of garbage needs a second collection.
      for (let times = 0; times < 3; times++) await session.send("HeapProfiler.collectGarbage");
      const { usedSize } = await session.send("Runtime.getHeapUsage");
      const wasm = await page.evaluate(() => /** @type {any} */ (window).memories.reduce((/** @type {number} */ sum, /** @type {WebAssembly.Memory} */ memory) => sum + memory.buffer.byteLength, 0));
      return { js: usedSize, wasm };
    },
    start: (/** @type {object} */ options, /** @type {string} */ identifier, /** @type {string[]} */ events) =>
      page.evaluate(
        ([key, options, identifier, events]) => /** @type {any} */ (window).sdk.start(key, { ...options, eventUrl: /** @type {any} */ (options).baseUrl }, { identifier }, events),
        /** @type {const} */ ([CLIENT_KEY, options, identifier, events]),
      ),
    read: (/** @type {string[]} */ flags) => page.evaluate((flags) => /** @type {any} */ (window).sdk.read(flags), flags),
    changes: () => page.evaluate(() => /** @type {number} */ (/** @type {any} */ (window).changes)),
    close: () => context.close(),
  };
}

/** @param {Data} data */
export function report({ held, aged, more }) {
  const kilobytes = (/** @type {number} */ bytes) => short(bytes / 1_000);
  const median = (/** @type {Use[]} */ uses, /** @type {"js" | "wasm"} */ key) => summary(uses.map((use) => use[key])).median;
  const both = (/** @type {(key: "js" | "wasm") => number} */ of) => `${kilobytes(of("js"))} + ${kilobytes(of("wasm"))}`;
  return [
    `Kilobytes (1,000 bytes) after collections: JavaScript's heap + WebAssembly's memory, medians of ${
      held[0].one.length
    } fresh pages. The first client brings compiled code and the WebAssembly instance; each of ${more} further clients, for other targets and without streams, is the mean of them.`,
    table(
      ["SDK", "flags", "SDK loaded", "first client adds", "each further client adds"],
      held.map(({ sdk, flags, empty, one, eleven }) => [
        sdk === "flagwire" ? `**${NAMES[sdk]}**` : NAMES[sdk],
        flags.toLocaleString("en"),
        both((key) => median(empty, key)),
        both((key) => median(one, key) - median(empty, key)),
        both((key) => (median(eleven, key) - median(one, key)) / more),
      ]),
    ),
    `After many events, 1,000 flags, one client each, both on the same server:`,
    table(
      ["SDK", "events", "listener calls", "before", "after", "growth"],
      aged.map(({ sdk, events, told, before, after }) => [
        sdk === "flagwire" ? `**${NAMES[sdk]}**` : NAMES[sdk],
        events.toLocaleString("en"),
        told.toLocaleString("en"),
        both((key) => before[key]),
        both((key) => after[key]),
        both((key) => after[key] - before[key]),
      ]),
    ),
  ].join("\n\n");
}
