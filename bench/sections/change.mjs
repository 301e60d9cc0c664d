// From a change on the server to the application's listener.

import { startBrowser } from "../../tests/lib/browser.mjs";
import { atEnd } from "../../tests/lib/scope.mjs";
import { bundle, serve } from "../lib/bundle.mjs";
import { monotonic, observe } from "../lib/observer.mjs";
import { bars } from "../lib/plot.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { CLIENT_KEY, flagName, flagsFile, startServer } from "../lib/server.mjs";
import { interleaved, short, spread, summary, table } from "../lib/stats.mjs";

const TARGET = { identifier: "user-42", name: "Ada", attributes: { plan: "gold" } };
const BURST = 50;
const MANY = 1_000;
/** Changes of a busy stream, one after another in so many milliseconds. */
const STEADY = 100;
const STEADY_MS = 20;
/** Three values, so that the burst's last differs from what was there before it. */
const THREE = ["a", "b", "c"];
/** No request for so long means that the burst is over. */
const QUIET_MS = 500;

export const title = "Change";

const CANDIDATES = [
  { name: "Flagwire, EventSource", script: "flagwire", options: { streamTransport: "eventsource" }, ours: true },
  { name: "Flagwire, fetch", script: "flagwire", options: { streamTransport: "fetch" }, ours: true },
  { name: "Harness", script: "harness", options: {}, ours: false },
];

const SCRIPTS = {
  flagwire: `import { initialize } from "flagwire"; ${body()}`,
  harness: `import { initialize } from "@harnessio/ff-javascript-client-sdk"; ${body()}`,
};

function body() {
  return `
    export function start({ key, target, options }) {
      window.changes = [];
      window.check = () => {};
      const client = (window.client = initialize(key, target, options));
      client.on("changed", ({ flag }) => { changes.push([flag, performance.now()]); check(); });
      return Promise.all(["ready", "connected"].map((name) => new Promise((resolve) => client.on(name, resolve)))).then(() => {});
    }`;
}

/**
 * @typedef {{ name: string, ours: boolean }} Candidate
 * @typedef {Candidate & { carried: boolean, fromWire: number[], fromServer: number[] }} Delay ms from the event on the wire, and from the change asked for
 * @typedef {Candidate & { atOnce: boolean, requests: number, preflights: number, calls: number, events: number }} Burst
 * @typedef {Candidate & { carried: boolean, last: number[], missing: number[], requests: number[] }} Many ms from the first event to the last
 *   listener where every change arrived, and how many flags' changes were not reported
 * @typedef {{ delays: Delay[], steady: Delay[], bursts: Burst[], many: Many[] }} Data
 */

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {{ quick: boolean, say: (text: string) => void }} options
 * @returns {Promise<Data>}
 */
export async function measure(scope, { quick, say }) {
  const folder = await bundle(scope, SCRIPTS);
  const pages = await serve(scope, folder);
  const browser = await startBrowser(scope);
  /** @type {Data} */
  const data = { delays: [], steady: [], bursts: [], many: [] };

  for (const carried of [true, false]) {
    say(`single changes, ${carried ? "with the value in the event" : "with a refetch"}`);
    data.delays.push(...(await apart((own) => delays(own, browser, pages, carried, quick ? 3 : 120))));
  }
  for (const carried of [true, false]) {
    say(`a busy stream, ${carried ? "with the values in the events" : "with refetches"}`);
    data.steady.push(...(await apart((own) => steady(own, browser, pages, carried, quick ? 1 : 4))));
  }
  for (const atOnce of [true, false]) {
    say(`bursts of ${BURST}, ${atOnce ? "arriving at once" : "as fast as the server makes them"}`);
    for (const candidate of CANDIDATES) data.bursts.push(await apart((own) => burst(own, browser, pages, candidate, atOnce)));
  }
  for (const carried of [true, false]) {
    say(`${MANY} flags at once, ${carried ? "with the values in the events" : "with refetches"}`);
    data.many.push(...(await apart((own) => many(own, browser, pages, carried, quick ? 1 : 5))));
  }
  return data;
}

/**
 * What is started for one part ends with it.
 *
 * @template T
 * @param {(scope: import("../../tests/lib/scope.mjs").Scope) => Promise<T>} part
 */
async function apart(part) {
  const ends = /** @type {(() => Promise<void>)[]} */ ([]);
  try {
    return await part({ after: (fn) => void ends.push(fn) });
  } finally {
    for (const end of ends) await end();
  }
}

/**
 * A page with a client at work, on a server of its own: what others are sent must not be its business.
 *
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {import("playwright-core").Browser} browser
 * @param {string} pages
 * @param {typeof CANDIDATES[number]} candidate
 * @param {{ flags: string, carried: boolean, proxied?: boolean }} options
 */
async function connect(scope, browser, pages, candidate, { flags, carried, proxied = false }) {
  const server = await startServer(scope, { flags, args: ["--event-evaluations", String(carried)], logRequests: true });
  const proxy = proxied ? await startProxy(scope, server.url) : undefined;
  const baseUrl = proxy?.url ?? server.url;
  // What an SDK throws at its page is not this suite's failure; what it then does not report is counted.
  const context = await browser.newContext();
  atEnd(scope, () => context.close());
  const page = await context.newPage();
  await page.goto(pages);
  await page.evaluate(
    async ([script, setting]) => {
      const { start } = await import(script);
      await start(setting);
    },
    /** @type {const} */ ([`/${candidate.script}.js`, { key: CLIENT_KEY, target: TARGET, options: { baseUrl, eventUrl: baseUrl, ...candidate.options } }]),
  );
  const observer = await observe(scope, server.url, TARGET);
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const { metrics } = await session.send("Performance.getMetrics");
  await session.send("Performance.disable");
  // Seconds on the clock that `monotonic` reads; `performance.now()` of the page counts from here.
  const origin = (metrics.find(({ name }) => name === "NavigationStart")?.value ?? Number.NaN) * 1_000;
  // What the opening of the stream makes the client ask for again must be over.
  await settled(server.requests);
  return {
    server,
    proxy,
    page,
    observer,
    /** Forgets the changes so far. */
    forget: async () => {
      observer.forget();
      server.requests.length = 0;
      await page.evaluate(() => void (/** @type {any} */ (window).changes.length = 0));
    },
    /** How many flags' changes have been reported so far, and when the last was, on the shared clock. */
    told: async () => {
      const [count, last] = await page.evaluate(() => {
        const { changes } = /** @type {any} */ (window);
        return [new Set(changes.map((/** @type {[string]} */ [flag]) => flag)).size, changes.at(-1)?.[1]];
      });
      return { count, last: origin + last };
    },
    /** When each change so far was reported, on the shared clock, by the flag's name. */
    each: async () => {
      const changes = /** @type {[string, number][]} */ (await page.evaluate(() => /** @type {any} */ (window).changes));
      return new Map(changes.map(([flag, at]) => [flag, origin + at]));
    },
    /** Waits for so many changes of different flags; when the last was reported, on the shared clock. */
    changes: async (/** @type {number} */ count) => {
      const at = await page.evaluate(
        (count) =>
          new Promise((resolve) => {
            const { changes } = /** @type {any} */ (window);
            const check = () => {
              if (new Set(changes.map((/** @type {[string]} */ [flag]) => flag)).size >= count) resolve(changes.at(-1)[1]);
            };
            /** @type {any} */ (window).check = check;
            check();
          }),
        count,
      );
      return origin + /** @type {number} */ (at);
    },
  };
}

/** Waits until no request has been answered for a while. @param {unknown[]} requests */
async function settled(requests) {
  for (let known = -1; known !== requests.length;) {
    known = requests.length;
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
}

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {import("playwright-core").Browser} browser
 * @param {string} pages @param {boolean} carried @param {number} rounds
 * @returns {Promise<Delay[]>}
 */
async function delays(scope, browser, pages, carried, rounds) {
  const all = await delayed(scope, browser, pages, carried, 100);
  for (let round = 0; round < rounds; round++) {
    for (const one of interleaved(all, round)) {
      const { client, delay } = one;
      await client.forget();
      // At no fixed phase of whatever timers there are.
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 100));
      const asked = monotonic();
      const [wire, told] = await Promise.all([client.observer.firstEvent(), client.changes(1), client.server.set(flagName(0), one.on = !one.on)]);
      delay.fromWire.push(told - wire);
      delay.fromServer.push(told - asked);
    }
  }
  return all.map(({ delay }) => delay);
}

/**
 * All candidates, connected, each with what will be measured of it.
 *
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {import("playwright-core").Browser} browser
 * @param {string} pages @param {boolean} carried @param {number} flags
 */
async function delayed(scope, browser, pages, carried, flags) {
  const all = [];
  for (const candidate of CANDIDATES) {
    const delay = { name: candidate.name, ours: candidate.ours, carried, fromWire: /** @type {number[]} */ ([]), fromServer: /** @type {number[]} */ ([]) };
    all.push({ delay, on: false, client: await connect(scope, browser, pages, candidate, { flags: flagsFile(flags), carried }) });
  }
  return all;
}

/**
 * Flags that change one soon after another, as a script or a deployment changes them.
 *
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {import("playwright-core").Browser} browser
 * @param {string} pages @param {boolean} carried @param {number} rounds
 * @returns {Promise<Delay[]>}
 */
async function steady(scope, browser, pages, carried, rounds) {
  const all = await delayed(scope, browser, pages, carried, STEADY);
  for (let round = 0; round < rounds; round++) {
    for (const one of interleaved(all, round)) {
      const { client, delay } = one;
      // Every second flag was on at the beginning.
      one.on = !one.on;
      const value = (/** @type {number} */ index) => (index % 2 === 1) !== one.on;
      await client.forget();
      const asked = [];
      for (let index = 0; index < STEADY; index++) {
        const due = new Promise((resolve) => setTimeout(resolve, STEADY_MS));
        asked.push(monotonic());
        await client.server.set(flagName(index), value(index));
        await due;
      }
      await client.changes(STEADY);
      await settled(client.server.requests);
      const [wire, told] = [client.observer.events(), await client.each()];
      if (wire.length !== STEADY) throw new Error(`${wire.length} events of ${STEADY} changes were seen`);
      for (let index = 0; index < STEADY; index++) {
        const at = told.get(flagName(index)) ?? Number.NaN;
        delay.fromWire.push(at - wire[index]);
        delay.fromServer.push(at - asked[index]);
      }
    }
  }
  return all.map(({ delay }) => delay);
}

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {import("playwright-core").Browser} browser
 * @param {string} pages
 * @param {typeof CANDIDATES[number]} candidate
 * @param {boolean} atOnce
 * @returns {Promise<Burst>}
 */
async function burst(scope, browser, pages, candidate, atOnce) {
  const flags = `flags:\n  theme:\n    variations: { ${THREE.map((one) => `${one}: ${one}`).join(", ")} }\n    default: ${THREE[0]}\n`;
  const { server, proxy, page, observer, forget } = await connect(scope, browser, pages, candidate, { flags, carried: false, proxied: true });
  await forget();
  if (atOnce) proxy?.hold();
  for (let index = 1; index <= BURST; index++) await server.set("theme", THREE[index % THREE.length]);
  // The changes that were asked for are in the log as well.
  const made = server.requests.filter(({ method }) => method === "POST").length;
  if (made < BURST) await settled(server.requests);
  proxy?.release();
  await page.waitForFunction((value) => /** @type {any} */ (window).client.variation("theme", "none") === value, THREE[BURST % THREE.length]);
  await settled(server.requests);
  const of = (/** @type {string} */ wanted) => server.requests.filter(({ method, path }) => method === wanted && path.includes("/evaluations")).length;
  const calls = await page.evaluate(() => /** @type {any} */ (window).changes.length);
  return { name: candidate.name, ours: candidate.ours, atOnce, requests: of("GET"), preflights: of("OPTIONS"), calls, events: observer.events().length };
}

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {import("playwright-core").Browser} browser
 * @param {string} pages @param {boolean} carried @param {number} rounds
 * @returns {Promise<Many[]>}
 */
async function many(scope, browser, pages, carried, rounds) {
  const all = [];
  for (const candidate of CANDIDATES) {
    const result = { name: candidate.name, ours: candidate.ours, carried, last: /** @type {number[]} */ ([]), missing: /** @type {number[]} */ ([]), requests: /** @type {number[]} */ ([]) };
    all.push({ result, turned: false, client: await connect(scope, browser, pages, candidate, { flags: flagsFile(MANY), carried }) });
  }
  for (let round = 0; round < rounds; round++) {
    for (const one of interleaved(all, round)) {
      const { client, result } = one;
      await client.forget();
      client.server.save(flagsFile(MANY, { turned: one.turned = !one.turned }));
      const first = await client.observer.firstEvent();
      // An SDK may never tell of some: it is done when nothing has happened for a while.
      for (let known = -1, now = await client.told(); now.count < MANY && now.count !== known; now = await client.told()) {
        known = now.count;
        await settled(client.server.requests);
      }
      await settled(client.server.requests);
      const { count, last } = await client.told();
      if (count === MANY) result.last.push(last - first);
      result.missing.push(MANY - count);
      result.requests.push(client.server.requests.filter(({ method, path }) => method === "GET" && path.includes("/evaluations")).length);
    }
  }
  return all.map(({ result }) => result);
}

/** @param {Data} data */
export function plots({ delays, steady }) {
  const groups = [delays, steady].flatMap((all, busy) => [true, false].map((carried) => ({ all, carried, title: `${busy ? "busy stream" : "one change"}, ${carried ? "value in the event" : "refetch of the flag"}` })));
  const rows = groups.flatMap(({ all, carried, title }) =>
    all
      .filter((delay) => delay.carried === carried)
      .map(({ name, ours, fromServer }, index) => {
        const { median, p25, p75 } = summary(fromServer);
        return { group: index === 0 ? title : undefined, label: name, value: median, low: p25, high: p75, ours };
      })
  );
  return { "change.svg": bars({ title: "Change asked of the server to listener called, milliseconds, Chromium", unit: "ms", rows }) };
}

/** @param {Data} data */
export function report({ delays, steady, bursts, many }) {
  const bold = (/** @type {Candidate} */ { name, ours }) => (ours ? `**${name}**` : name);
  const compared = (/** @type {Delay[]} */ all) =>
    table(
      ["", "value", "p50", "p99", "middle half", "p50 to Harness", "p99 to Harness", "p50 from the server's change"],
      all.map((delay) => {
        const harness = all.find(({ ours, carried }) => !ours && carried === delay.carried);
        if (!harness) throw new Error("the other SDK's samples are missing");
        const [own, other] = [summary(delay.fromWire), summary(harness.fromWire)];
        return [
          bold(delay),
          delay.carried ? "in the event" : "refetched",
          short(own.median),
          short(own.p99),
          `${short(own.p25)}–${short(own.p75)}`,
          `${short(own.median / other.median)} ×`,
          `${short(own.p99 / other.p99)} ×`,
          short(summary(delay.fromServer).median),
        ];
      }),
    );
  return [
    `**One change.** Milliseconds from the event on the wire, as a bare socket in another process saw it, to the listener in the page; and from the change being asked of the server, which includes writing the flags file. ${
      delays[0].fromWire.length
    } changes each, in turns, each SDK on a server of its own with 100 flags. A negative figure is the bare socket seeing it later than the page.`,
    compared(delays),
    "![Change](plots/change.svg)",
    `**A busy stream.** The same while ${STEADY} flags change one after another, about every ${STEADY_MS} ms; ${
      steady[0].fromWire.length
    } changes each. Browsers hold the progress of an XMLHttpRequest, which Harness reads, back to one call in 50 ms.`,
    compared(steady),
    `**A burst of ${BURST} events of one flag**, none with the value: requests for evaluations in the server's log until the last value was there and nothing followed. “At once”: a proxy held the stream until all events had been sent.`,
    table(
      ["", "events", "requests", "preflights", "listener calls"],
      bursts.map((burst) => [bold(burst), `${burst.events}, ${burst.atOnce ? "at once" : "as made"}`, burst.requests, burst.preflights, burst.calls]),
    ),
    `**${
      MANY.toLocaleString("en")
    } flags changed at once**, by saving the file: milliseconds from the first event on the wire to the last flag's listener, where every change arrived; how many flags' changes the page was not notified of; and requests for evaluations.`,
    table(
      ["", "values", "rounds with every change", "to the last listener", "flags not reported, median", "most", "requests"],
      many.map((one) => [
        bold(one),
        one.carried ? "in the events" : "refetched",
        `${one.last.length} of ${one.missing.length}`,
        one.last.length > 0 ? spread(summary(one.last)) : "–",
        short(summary(one.missing).median),
        short(summary(one.missing).max),
        short(summary(one.requests).median),
      ]),
    ),
  ].join("\n\n");
}
