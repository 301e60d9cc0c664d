// From the import of the SDK to values: a fresh page each time, with nothing of the SDK loaded before.

import { startBrowser } from "../../tests/lib/browser.mjs";
import { bundle, serve } from "../lib/bundle.mjs";
import { bars } from "../lib/plot.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { CLIENT_KEY, flagName, flagsFile, startServer } from "../lib/server.mjs";
import { interleaved, short, spread, summary, table } from "../lib/stats.mjs";

/** Added to each round trip. */
const LATENCY_MS = 50;

export const title = "Start";

const SDKS = /** @type {const} */ (["flagwire", "harness"]);
const NAMES = { flagwire: "Flagwire", harness: "Harness" };

/** Both scripts export the same function; only the import and the option of the metrics' address differ. */
const SCRIPTS = {
  flagwire: `import { initialize } from "flagwire"; ${body("{ baseUrl, cache }")}`,
  harness: `import { initialize } from "@harnessio/ff-javascript-client-sdk"; ${body("{ baseUrl, eventUrl: baseUrl, cache }")}`,
};

/** @param {string} options */
function body(options) {
  return `
    export function start({ key, baseUrl, cache, flag }, tell) {
      const client = initialize(key, { identifier: "user-42", name: "Ada", attributes: { plan: "gold" } }, ${options});
      const look = () => { if (client.variation(flag, false) === true) tell("value"); };
      look();
      client.on("cache loaded", look);
      client.on("ready", () => { look(); tell("ready"); });
      client.on("error", (error) => tell("error", String(error)));
      window.client = client;
    }`;
}

/**
 * @typedef {{ flags: number, latency: number, sdk: typeof SDKS[number], ready: number[], value: number[] }} Case times in ms:
 *   to ready without a cache, to the first value with one
 * @typedef {{ cases: Case[], latency: number }} Data
 */

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {{ quick: boolean, say: (text: string) => void }} options
 * @returns {Promise<Data>}
 */
export async function measure(scope, { quick, say }) {
  const rounds = quick ? 1 : 20;
  const folder = await bundle(scope, SCRIPTS);
  const pages = await serve(scope, folder);
  const browser = await startBrowser(scope);
  /** @type {Case[]} */
  const cases = [];
  for (const flags of quick ? [100] : [100, 1_000, 10_000]) {
    const server = await startServer(scope, { flags: flagsFile(flags) });
    for (const latency of [0, LATENCY_MS]) {
      say(`${flags} flags, ${latency} ms`);
      const slow = async (/** @type {string} */ url) => (latency === 0 ? url : (await startProxy(scope, url, { delayMs: latency / 2 })).url);
      const setting = { pages: await slow(pages), server: await slow(server.url), flag: flagName(flags - 1) };
      const both = SDKS.map((sdk) => ({ flags, latency, sdk, ready: /** @type {number[]} */ ([]), value: /** @type {number[]} */ ([]) }));
      for (let round = -1; round < rounds; round++) {
        for (const one of interleaved(both, Math.max(round, 0))) {
          const { ready, value } = await visits(browser, one.sdk, setting);
          // The first round warms up the servers and the browser's processes.
          if (round < 0) continue;
          one.ready.push(ready);
          one.value.push(value);
        }
      }
      cases.push(...both);
    }
  }
  return { cases, latency: LATENCY_MS };
}

/**
 * A visit without a cache; then, with one, a visit that fills it and one that finds it.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {typeof SDKS[number]} sdk
 * @param {{ pages: string, server: string, flag: string }} setting
 */
async function visits(browser, sdk, setting) {
  const first = await visit(browser, sdk, setting, false);
  const second = await visit(browser, sdk, setting, true);
  return { ready: first.ready, value: second.value };
}

/**
 * @param {import("playwright-core").Browser} browser
 * @param {typeof SDKS[number]} sdk
 * @param {{ pages: string, server: string, flag: string }} setting
 * @param {boolean} cache whether to come a second time, with what the first visit left
 */
async function visit(browser, sdk, { pages, server, flag }, cache) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(pages);
    const arguments_ = /** @type {const} */ ([`/${sdk}.js`, { key: CLIENT_KEY, baseUrl: server, cache, flag }]);
    const start = () =>
      page.evaluate(async ([script, options]) => {
        const from = performance.now();
        const { start } = await import(script);
        return new Promise((resolve, reject) => {
          const times = /** @type {Record<string, number>} */ ({ imported: performance.now() - from });
          start(options, (/** @type {string} */ what, /** @type {string} */ error) => {
            if (what === "error") return reject(new Error(error));
            times[what] ??= performance.now() - from;
            if (times.ready !== undefined) resolve(times);
          });
        });
      }, arguments_);
    let times = /** @type {{ imported: number, ready: number, value: number }} */ (await start());
    if (cache) {
      await page.waitForFunction(() => (/** @type {any} */ (window).client.flush?.(), localStorage.length > 0));
      await page.reload();
      times = /** @type {typeof times} */ (await start());
    }
    if (!(times.value > 0)) throw new Error(`${sdk} was ready without a value`);
    return times;
  } finally {
    await context.close();
  }
}

/** @param {Data} data */
export function plots({ cases }) {
  const rows = [...new Set(cases.map(({ flags, latency }) => `${flags}/${latency}`))].flatMap((key) =>
    cases
      .filter(({ flags, latency }) => `${flags}/${latency}` === key)
      .map(({ flags, latency, sdk, ready }, index) => {
        const { median, p25, p75 } = summary(ready);
        const group = index === 0 ? `${flags.toLocaleString("en")} flags, ${latency ? `${latency} ms added` : "loopback"}` : undefined;
        return { group, label: NAMES[sdk], value: median, low: p25, high: p75, ours: sdk === "flagwire" };
      })
  );
  return { "start.svg": bars({ title: "Import to ready, milliseconds, a fresh page each time, Chromium", unit: "ms", rows }) };
}

/** @param {Data} data */
export function report({ cases, latency }) {
  const rows = cases
    .filter(({ sdk }) => sdk === "flagwire")
    .map((ours) => {
      const theirs = cases.find(({ sdk, flags, latency }) => sdk === "harness" && flags === ours.flags && latency === ours.latency);
      if (!theirs) throw new Error("the other SDK's samples are missing");
      const ratio = (/** @type {"ready" | "value"} */ key) => `${short(summary(ours[key]).median / summary(theirs[key]).median)} ×`;
      return [
        `${ours.flags.toLocaleString("en")} flags, ${ours.latency ? `${ours.latency} ms added` : "loopback"}`,
        spread(summary(ours.ready)),
        spread(summary(theirs.ready)),
        ratio("ready"),
        spread(summary(ours.value)),
        spread(summary(theirs.value)),
        ratio("value"),
      ];
    });
  return [
    `Milliseconds from the dynamic import of the SDK in a fresh page (empty HTTP cache, script bundled and minified, WebAssembly as a file beside it, nothing compressed) to ready without a cache, and to the first value with the cache of an earlier visit. ` +
    `Both SDKs with their defaults, on the same flagwire-server. With ${latency} ms added, a proxy in front of both the page's and the flags' server delays each way by half. Median and middle half of ${
      cases[0].ready.length
    } rounds in turns.`,
    table(["", "ready, Flagwire", "ready, Harness", "ratio", "first value from cache, Flagwire", "Harness", "ratio"], rows),
    "![Start](plots/start.svg)",
  ].join("\n\n");
}
