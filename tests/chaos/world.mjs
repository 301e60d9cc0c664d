// A storm and its end. Clients in Chromium, a proxy that does harm, flagwire-server behind it, and flags that change. When the
// storm is over,
//
// 1. each client must come to hold exactly what the server serves,
// 2. its listeners must have been called for every difference once: what they got, put together, is what there is, and
//    no two changes in a row say the same,
// 3. every read that was counted must have reached the server.
//
// The pages' clock runs ten times as fast as ours: what they do in 30 seconds happens in 3. That is a network ten times
// slower, and to the client there is no difference. Heartbeats come from the proxy, in the pages' time.

import { appendFileSync } from "node:fs";
import { startServer } from "../lib/server.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { serveClientPage, told } from "../lib/client-page.mjs";
import { atEnd } from "../lib/scope.mjs";
import { PATIENCE_MS } from "../lib/wait.mjs";
import { Random } from "./random.mjs";
import { Weather } from "./weather.mjs";

const CLOCK_FACTOR = 10;
const KEY = "flagwire-dev-client-key";

/** What runs where: each context has connections and storage of its own, as each visitor has. */
const VISITORS = [
  { name: "fetch", tabs: 1, target: "fetch", options: { streamTransport: "fetch", shareStream: false } },
  { name: "native", tabs: 1, target: "native", options: { streamTransport: "eventsource", shareStream: false } },
  { name: "polling", tabs: 1, target: "polling", options: { streamEnabled: false } },
  { name: "tabs", tabs: 3, target: "tabs", options: {} },
  { name: "tabs-fetch", tabs: 2, target: "tabs-fetch", options: { streamTransport: "fetch", cache: true } },
  { name: "switching", tabs: 1, target: "switching-0", options: {}, switches: true },
];

/** @typedef {{ name: string, page: import("playwright-core").Page, switches: boolean, target: string, targets: string[] }} Tab */

/**
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {import("playwright-core").Browser} browser
 * @param {{ seed: number, stormMs: number, logFile?: string }} settings
 * @returns {Promise<{ requests: number, changes: number, reads: number, counted: number, healedMs: number }>}
 */
export async function storm(t, browser, { seed, stormMs, logFile }) {
  const random = new Random(seed);
  const began = Date.now();
  /** @type {string[]} */
  const log = [];
  const note = (/** @type {string} */ text) => {
    const line = `${String(Date.now() - began).padStart(6)} ${text}`;
    log.push(line);
    if (logFile) appendFileSync(logFile, `${line}\n`);
  };
  try {
    return await run(t, browser, random, stormMs, note);
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}\n${log.slice(-400).join("\n")}`, { cause: error });
  }
}

/**
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {import("playwright-core").Browser} browser
 * @param {Random} random
 * @param {number} stormMs
 * @param {(text: string) => void} note
 */
async function run(t, browser, random, stormMs, note) {
  const server = await startServer(t, { flags: flagsFile(random) });
  const proxy = await startProxy(t, server.url);
  const weather = new Weather(random);
  proxy.heartbeatMs = 10_000 / CLOCK_FACTOR;
  proxy.decide = (request) => weather.decide(request);
  proxy.onStep = (seen, step) => {
    if (step === "came") arrived.set(seen, Date.now());
    note(`${String(seen.id).padStart(4)} ${seen.method} ${seen.path} ${step}${step === "came" ? ` ${faultText(seen.fault)}` : ""}${step === "came" && postedBy(seen).size ? ` ${JSON.stringify([...postedBy(seen)])}` : ""}`);
  };
  const url = await serveClientPage(t);
  /** When connections were cut in ways that leave open what has arrived. */
  const cuts = /** @type {number[]} */ ([]);
  const arrived = new Map(/** @type {[import("../lib/proxy.mjs").Seen, number][]} */ ([]));

  /** @type {Tab[]} */
  const tabs = [];
  for (const visitor of VISITORS) {
    const context = await browser.newContext();
    atEnd(t, () => context.close());
    await context.addInitScript(hurry, CLOCK_FACTOR);
    for (let index = 0; index < visitor.tabs; index += 1) {
      const page = await context.newPage();
      const tab = { name: `${visitor.name}-${index}`, page, switches: visitor.switches === true, target: visitor.target, targets: [visitor.target] };
      page.on("pageerror", (error) => note(`${tab.name}: PAGE ERROR ${error.stack}`));
      await page.goto(url);
      await page.waitForFunction(() => "start" in window);
      await page.evaluate(begin, { key: KEY, target: { identifier: visitor.target }, options: { baseUrl: proxy.url, ...visitor.options } });
      tabs.push(tab);
    }
  }

  let edits = 0;
  for (let turnAt = 0, left = stormMs, last = Date.now(); left > 0;) {
    const now = Date.now();
    left -= now - last;
    last = now;
    if (now >= turnAt) {
      note(`weather: ${weather.turn()}`);
      turnAt = now + random.between(1_000, 4_000);
    }
    const tab = random.pick(tabs);
    const dice = random.next();
    if (dice < 0.3) {
      server.editFlags(() => flagsFile(random));
      note(`flags edited, ${(edits += 1)}`);
    } else if (dice < 0.6) {
      await tab.page.evaluate(read, random.between(1, 300));
    } else if (dice < 0.65) {
      await tab.page.evaluate(() => /** @type {any} */ (window).clients.main.client.flush());
    } else if (dice < 0.7) {
      await tab.page.evaluate(() => /** @type {any} */ (window).clients.main.client.refreshEvaluations());
    } else if (dice < 0.75 && tab.switches) {
      tab.target = `switching-${random.between(0, 3)}`;
      if (!tab.targets.includes(tab.target)) tab.targets.push(tab.target);
      note(`${tab.name} switches to ${tab.target}`);
      await tab.page.evaluate((identifier) => void /** @type {any} */ (window).clients.main.client.identify({ identifier }).catch(() => undefined), tab.target);
    } else if (dice < 0.78) {
      note("all connections are cut");
      cuts.push(Date.now());
      proxy.cutAll();
    } else if (dice < 0.8) {
      note(`${tab.name} is offline`);
      cuts.push(Date.now());
      await tab.page.context().setOffline(true);
      await pause(random.between(50, 1_500));
      await tab.page.context().setOffline(false);
      cuts.push(Date.now());
      note(`${tab.name} is online`);
    } else if (dice < 0.81) {
      note("the server is killed");
      cuts.push(Date.now());
      await server.kill();
      await pause(random.between(0, 1_000));
      await server.start();
      note("the server is back");
    }
    await pause(random.between(0, 150));
  }

  note("the storm is over");
  weather.on = false;
  const over = Date.now();
  server.editFlags(() => flagsFile(random));
  const expected = new Map(/** @type {[string, Record<string, unknown>][]} */ ([]));
  await server.line(/flags loaded/);
  for (const tab of tabs) {
    // The server reads the file in its own time; what it serves when all is quiet is the measure.
    await until(over, `${tab.name} to hold what the server serves`, async () => {
      const served = await evaluations(server.url, tab.target);
      expected.set(tab.target, served);
      const held = await tab.page.evaluate(holding);
      return same(held.values, served) && same(held.mirror, served) ? undefined : `it holds\n${text(held.values)}\nwas told\n${text(held.mirror)}\nand the server serves\n${text(served)}\nstate ${text(held.state)}`;
    });
  }
  const healedMs = Date.now() - over;
  note(`all is well after ${healedMs} ms`);

  let changes = 0;
  for (const tab of tabs) {
    const [told, cached] = await tab.page.evaluate(() => [/** @type {any} */ (window).clients.main.changes, /** @type {any} */ (window).clients.main.cached]);
    changes += told.length;
    /** @type {Map<string, string | undefined>} */
    const last = new Map(Object.entries(cached).map(([flag, { value, identifier }]) => [flag, text([value, identifier])]));
    for (const { flag, value, identifier, deleted } of told) {
      const now = deleted ? undefined : text([value, identifier]);
      if (last.get(flag) === now) {
        const all = told.filter((/** @type {{ flag: string }} */ one) => one.flag === flag).map((/** @type {object} */ one) => JSON.stringify(one));
        throw new Error(`${tab.name} was told twice in a row that ${flag} is ${now}; of all that it was told:\n${all.join("\n")}\ncached ${text(cached[flag] ?? null)}`);
      }
      last.set(flag, now);
    }
  }

  // Every read reaches the server; one whose reply was lost may do so twice.
  const reads = new Map(/** @type {[string, number][]} */ ([]));
  for (const tab of tabs) {
    const key = tab.targets[0];
    reads.set(key, (reads.get(key) ?? 0) + (await tab.page.evaluate(() => /** @type {any} */ (window).reads)));
  }
  const owner = new Map(tabs.flatMap((tab) => tab.targets.map((target) => [target, tab.targets[0]])));
  let total = 0;
  await until(Date.now(), "all reads to be counted", async () => {
    for (const tab of tabs) await tab.page.evaluate(() => /** @type {any} */ (window).clients.main.client.flush());
    const sums = counts(proxy, owner, () => true);
    total = [...sums.values()].reduce((sum, one) => sum + one, 0);
    const short = [...reads].filter(([target, count]) => (sums.get(target) ?? 0) < count);
    return short.length ? short.map(([target, count]) => `${target}: ${sums.get(target) ?? 0} of ${count}`).join(", ") : undefined;
  });
  // A page that did not hear of a post's success posts those counts again: it says "metrics error" when it gives a post up.
  const givenUp = new Map(/** @type {[string, number[]][]} */ ([]));
  for (const tab of tabs) {
    const { events } = await told(tab.page);
    givenUp.set(tab.targets[0], [...(givenUp.get(tab.targets[0]) ?? []), ...events.filter(({ event }) => event === "metrics error").map(({ at }) => at)]);
  }
  const came = (/** @type {import("../lib/proxy.mjs").Seen} */ request) => arrived.get(request) ?? over;
  const keyOf = (/** @type {import("../lib/proxy.mjs").Seen} */ request) => [...postedBy(request).keys()].map((target) => owner.get(target) ?? target)[0];
  const unsure = counts(proxy, owner, (request) => {
    const [at, key] = [came(request), keyOf(request)];
    // A post is given up before the same page's next one; of several tabs nobody knows whose it was.
    const alone = tabs.filter((tab) => tab.targets[0] === key).length === 1;
    const later = alone ? proxy.requests.filter((other) => keyOf(other) === key && came(other) > at).map(came) : [];
    const isGivenUp = givenUp.get(key)?.some((error) => error > at && error <= Math.min(...later));
    return isGivenUp || !request.delivered || cuts.some((cut) => Math.abs(cut - at) < 3_000);
  });
  const sums = counts(proxy, owner, () => true);
  for (const [target, count] of reads) {
    const most = count + (unsure.get(target) ?? 0);
    if ((sums.get(target) ?? 0) > most) throw new Error(`${target}: ${sums.get(target)} reads were counted, ${count} were made, and at most ${most} can have been posted twice`);
  }
  const sum = [...reads.values()].reduce((all, one) => all + one, 0);
  return { requests: proxy.requests.length, changes, reads: sum, counted: total, healedMs };
}

/** Ten flags of all kinds, some missing, some by target. @param {Random} random */
function flagsFile(random) {
  const lines = ["flags:"];
  for (let n = 0; n < 10; n += 1) {
    if (random.chance(0.1)) continue;
    const value = random.pick([
      () => String(random.chance(0.5)),
      () => String(random.between(1, 3)),
      () => random.pick(["red", "green", "blue", '""', "öäü", '"a longer text, with: signs"']),
      () => `{ value: { "limit": ${random.between(1, 3)}, "list": [1, "zwei"] } }`,
    ])();
    lines.push(`  flag-${n}: ${value}`);
  }
  // A number that no other version has: no two files are the same.
  lines.push(`  version: ${random.between(1, 2 ** 30)}`);
  return `${lines.join("\n")}\n`;
}

/** What a fresh client would get. @param {string} url @param {string} identifier */
async function evaluations(url, identifier) {
  const { authToken } = await (await fetch(`${url}/client/auth`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ apiKey: KEY, target: { identifier } }) })).json();
  const { environment } = JSON.parse(Buffer.from(authToken.split(".")[1], "base64url").toString());
  const list = await (await fetch(`${url}/client/env/${environment}/target/${identifier}/evaluations?cluster=1`, { headers: { authorization: `Bearer ${authToken}` } })).json();
  return Object.fromEntries(
    list.map((/** @type {any} */ { flag, identifier, kind, value }) => [flag, { value: kind === "boolean" ? value === "true" : kind === "int" ? Number(value) : kind === "json" ? JSON.parse(value) : value, identifier }]),
  );
}

/**
 * Reads that the server has counted, by the first target of the tab that made them.
 *
 * @param {import("../lib/proxy.mjs").Proxy} proxy
 * @param {Map<string, string>} owner
 * @param {(request: import("../lib/proxy.mjs").Seen) => boolean} which
 */
function counts(proxy, owner, which) {
  const sums = new Map(/** @type {[string, number][]} */ ([]));
  for (const request of proxy.requests) {
    if (!request.path.includes("/metrics/") || request.status !== 200 || !which(request)) continue;
    for (const [target, count] of postedBy(request)) {
      const key = owner.get(target) ?? target;
      sums.set(key, (sums.get(key) ?? 0) + count);
    }
  }
  return sums;
}

/** The reads that a post counts, by target. @param {import("../lib/proxy.mjs").Seen} request */
function postedBy(request) {
  const sums = new Map(/** @type {[string, number][]} */ ([]));
  if (!request.path.includes("/metrics/")) return sums;
  for (const { count, attributes } of JSON.parse(request.body || '{"metricsData":[]}').metricsData) {
    const target = attributes.find((/** @type {{ key: string }} */ { key }) => key === "target").value;
    sums.set(target, (sums.get(target) ?? 0) + count);
  }
  return sums;
}

/** @param {number} since @param {string} what @param {() => Promise<string | undefined>} lack says what is amiss still */
async function until(since, what, lack) {
  for (;;) {
    const amiss = await lack();
    if (amiss === undefined) return;
    if (Date.now() - since > PATIENCE_MS) throw new Error(`waited in vain for ${what}: ${amiss}`);
    await pause(50);
  }
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** With sorted keys, so that equal values have equal texts. @param {unknown} value @returns {string} */
function text(value) {
  return JSON.stringify(value, (_, inner) => (inner && typeof inner === "object" && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1))) : inner));
}

/** @param {unknown} one @param {unknown} other */
function same(one, other) {
  return text(one) === text(other);
}

/** @param {import("../lib/proxy.mjs").Fault} fault */
function faultText({ hold, corrupt, answer, ...rest }) {
  const all = { ...rest, ...(hold && { hold: true }), ...(corrupt && { corrupt: true }), ...(answer && { answer: answer.status }) };
  return Object.keys(all).length ? JSON.stringify(all) : "";
}

// ---- what runs in the pages ----

/** Makes the page's time pass faster. @param {number} factor */
function hurry(factor) {
  const now = Date.now.bind(Date);
  const begin = now();
  Date.now = () => Math.floor(begin + (now() - begin) * factor);
  const later = window.setTimeout.bind(window);
  Object.assign(window, { setTimeout: (/** @type {() => void} */ run, delay = 0) => later(run, delay / factor) });
}

/** @param {{ key: string, target: object, options: object }} settings */
function begin({ key, target, options }) {
  const page = /** @type {any} */ (window);
  page.reads = 0;
  page.start("main", key, target, options);
}

/** @param {number} times */
function read(times) {
  const page = /** @type {any} */ (window);
  for (let n = 0; n < times; n += 1) if (page.clients.main.client.variation(`flag-${n % 10}`, null) !== null) page.reads += 1;
}

function holding() {
  const page = /** @type {any} */ (window);
  const { client, mirror } = page.clients.main;
  /** @type {Record<string, unknown>} */
  const values = {};
  for (const flag of [...Array.from({ length: 10 }, (_, n) => `flag-${n}`), "version"]) {
    const { value, variation, reason } = client.variationDetail(flag, null);
    if (reason === "not-found") continue;
    page.reads += 1;
    values[flag] = { value, identifier: variation };
  }
  return { values, mirror, state: client.state() };
}
