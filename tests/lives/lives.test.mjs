// Random lives of the package's client on a clock of their own: the facade, the wire, the cache, the tabs and the module, with the platform
// in the hands of the test. What a life does is decided by its seed: `FLAGWIRE_LIVES=5000` plays that many, `FLAGWIRE_LIFE=17` that one alone.
//
// At its end, when the network is well again, each client must hold what the service serves; what its listeners got, put together, must
// be the same, and no two changes in a row may say the same; every read must have been counted; and what is closed must be silent.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { packageDir } from "../../scripts/lib/products.mjs";
import { Random } from "../chaos/random.mjs";
import { everything } from "../lib/everything.mjs";
import { World } from "./world.mjs";

const { initialize } = await import(pathToFileURL(join(packageDir, "node.js")).href);
const USUAL = everything ? 2_000 : 100;
const one = process.env.FLAGWIRE_LIFE;
const seeds = one === undefined ? Array.from({ length: Number(process.env.FLAGWIRE_LIVES ?? USUAL) }, (_, n) => n + 1) : [Number(one)];
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const FLAGS = ["a", "b", "c", "d", "__proto__"];
const TARGETS = ["ada", "maya", "tom"];
/** Time that heals everything: longer than any pause that the client makes. */
const HOUR_MS = 3_600_000;

/** Kinds of clients. @type {object[]} */
const KINDS = [
  {},
  { shareStream: true },
  { shareStream: true, cache: true },
  { streamTransport: "fetch", cache: true },
  { streamTransport: "fetch", pauseWhenHidden: 5_000 },
  { streamTransport: "eventsource" },
  { streamEnabled: false },
  { maxStreamRetries: 2 },
];

test(`${seeds.length} random lives end well`, { timeout: 1_800_000 }, async (t) => {
  await loadModule(t);
  let changes = 0;
  let reads = 0;
  for (const seed of seeds) {
    await t.test(`life ${seed}`, async (t) => {
      const life = new Life(t, seed);
      await life.play();
      changes += life.changes;
      reads += life.reads;
    });
  }
  t.diagnostic(`${changes} changes told, ${reads} reads made`);
  assert.ok(one !== undefined || changes > 10 * seeds.length, "too little happens in these lives");
});

/**
 * Compiling the module takes time of the real clock, which the lives do not have: it is done before them.
 *
 * @param {import("node:test").TestContext} t
 */
async function loadModule(t) {
  await t.test("the module is loaded", async (t) => {
    const world = new World();
    world.install(t, () => 0.5);
    const client = initialize("key", { identifier: "ada" }, { baseUrl: "https://flags.test", logger: quiet });
    while (client.state().status !== "ready") await world.advance(10);
    client.close();
    await world.advance(1_000);
  });
}

/**
 * @typedef {object} Tab
 * @property {any} client
 * @property {string} target
 * @property {any} options
 * @property {Map<string, string>} mirror what the listeners know
 * @property {number} ready how many times it was said
 * @property {boolean} closed
 */

class Life {
  changes = 0;
  reads = 0;
  #world = new World();
  #random;
  /** @type {Tab[]} */
  #tabs = [];
  #storage = new Map(/** @type {[string, string][]} */ ([]));
  /**
   * Reads by flag and variation, and those of them whose last post may have been lost with the client that made them. While a target is
   * being switched, which of the two a read is counted for is the client's to say.
   */
  #read = new Map(/** @type {[string, number][]} */ ([]));
  #forgiven = new Map(/** @type {[string, number][]} */ ([]));
  #stormy = false;
  /** What listeners found wrong: what they throw is the client's to report. @type {string[]} */
  #wrong = [];

  /** @param {import("node:test").TestContext} t @param {number} seed */
  constructor(t, seed) {
    this.#random = new Random(seed);
    this.#world.install(t, () => this.#random.next());
    t.after(async () => this.#tabs.forEach(({ client }) => client.close()));
  }

  async play() {
    const [world, random] = [this.#world, this.#random];
    world.service.native = random.chance(0.7);
    world.fate = () => this.#fate();
    for (const flag of FLAGS) if (random.chance(0.7)) world.service.change(flag, this.#value());
    for (let n = random.between(1, 3); n > 0; n -= 1) this.#open();
    for (let steps = random.between(10, 60); steps > 0; steps -= 1) {
      this.#act();
      await world.advance(random.pick([0, 1, 7, 50, 400, 3_000, 20_000, 90_000]));
    }
    await this.#heal();
    await this.#end();
    assert.deepEqual(this.#wrong, []);
  }

  /** @returns {import("./world.mjs").Fate} */
  #fate() {
    const random = this.#random;
    const far = random.pick([5, 5, 5, 80, 2_000]);
    if (!this.#stormy) return { thereMs: 5, backMs: 5 };
    const times = { thereMs: random.between(1, far), backMs: random.between(1, far) };
    if (random.chance(0.5)) return times;
    const harm = random.pick(/** @type {const} */ (["lost", "reply lost", "hangs", "garbage", 429, 500, 503]));
    return { ...times, harm, ...(random.chance(0.3) && { retryAfter: random.between(0, 30) }) };
  }

  #value() {
    const random = this.#random;
    return random.pick([
      () => ({ kind: "boolean", value: random.pick(["true", "false"]) }),
      () => ({ kind: "int", value: String(random.between(1, 3)) }),
      () => ({ kind: "string", value: random.pick(["red", "for $", ""]) }),
      () => ({ kind: "json", value: random.pick(['{"n":1}', '{ "n": 1 }', "[1,2]"]) }),
    ])();
  }

  #open() {
    const random = this.#random;
    const target = random.pick(TARGETS);
    const { cache, ...options } = /** @type {any} */ (random.pick(KINDS));
    const storage = {
      getItem: (/** @type {string} */ key) => this.#storage.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ value) => {
        if (this.#stormy && random.chance(0.3)) throw new Error("full");
        this.#storage.set(key, value);
      },
      removeItem: (/** @type {string} */ key) => this.#storage.delete(key),
    };
    const client = initialize("key", { identifier: target }, { baseUrl: "https://flags.test", logger: quiet, ...options, ...(cache && { cache: { storage } }) });
    /** @type {Tab} */
    const tab = { client, target, options, mirror: new Map(), ready: 0, closed: false };
    // Values of the last visit were there before anybody could listen.
    for (const flag of held(client).entries()) tab.mirror.set(...flag);
    client.on("changed", (/** @type {any} */ change) => this.#hear(tab, change));
    client.on("ready", () => (tab.ready += 1));
    for (const event of ["changed", "ready", "state", "error"]) client.on(event, () => tab.closed && this.#wrong.push(`${event} was told after the end`));
    this.#tabs.push(tab);
  }

  /** @param {Tab} tab @param {any} change */
  #hear(tab, { flag, value, identifier, deleted }) {
    this.changes += 1;
    const now = deleted ? undefined : text(value, identifier);
    if (tab.mirror.get(flag) === now) this.#wrong.push(`${flag} was told to be ${now} twice in a row`);
    if (now === undefined) tab.mirror.delete(flag);
    else tab.mirror.set(flag, now);
  }

  #act() {
    const [world, random] = [this.#world, this.#random];
    const open = this.#tabs.filter(({ closed }) => !closed);
    const tab = open.length > 0 ? random.pick(open) : undefined;
    const actions = [
      ...Array(5).fill(() => world.service.change(random.pick(FLAGS), random.chance(0.8) ? this.#value() : undefined)),
      ...Array(3).fill(() => tab && this.#readSome(tab)),
      () => (this.#stormy = !this.#stormy),
      () => world.service.cut(),
      () => (world.service.session += 1),
      () => open.length < 5 && this.#open(),
      () => tab?.client.flush(),
      () => tab?.client.refreshEvaluations(),
      () => tab?.client.setEvaluations(world.service.evaluations(tab.target).slice(0, 2)),
      () => {
        if (!tab) return;
        tab.target = random.pick(TARGETS);
        tab.client.identify({ identifier: tab.target }).catch(() => {});
      },
      () => {
        world.hidden = !world.hidden;
        world.tell("visibilitychange");
      },
      () => world.tell("online"),
      () => {
        world.tell("pagehide");
        world.after(random.between(0, 60_000), () => world.tell("pageshow", { persisted: true }));
      },
      () => tab && open.length > 1 && this.#close(tab),
    ];
    random.pick(actions)();
  }

  /** @param {Tab} tab */
  #readSome({ client }) {
    for (let n = this.#random.between(1, 20); n > 0; n -= 1) {
      const flag = this.#random.pick(FLAGS);
      const { variation, reason } = client.variationDetail(flag, null);
      if (reason !== "evaluated") continue;
      add(this.#read, `${flag} ${variation}`, 1);
      this.reads += 1;
    }
  }

  /** @param {Tab} tab @param {boolean} [healed] */
  #close(tab, healed = false) {
    // Its last post is sent once: where that is lost, or refused with its token, nobody is left to send it again.
    if (!healed) { for (const [key, count] of this.#read) this.#forgiven.set(key, count); }
    tab.client.close();
    // The last event is the state that says so.
    tab.closed = true;
    assert.equal(tab.client.state().status, "closed");
  }

  /** The storm is over. */
  async #heal() {
    const world = this.#world;
    this.#stormy = false;
    world.hidden = false;
    world.tell("visibilitychange");
    await world.advance(60_000);
    world.tell("pageshow", { persisted: true });
    const open = this.#tabs.filter(({ closed }) => !closed);
    // What the page has set itself is the service's again when all flags are fetched.
    for (const { client } of open) client.refreshEvaluations();
    await world.advance(HOUR_MS);
    for (const tab of open) this.#assertFresh(tab);
    world.service.change("a", { kind: "string", value: "the last $" });
    // Who polls asks once a minute or so.
    await world.advance(90_000);
    for (const tab of open) {
      this.#assertFresh(tab);
      const { status, reason } = tab.client.state();
      // A stream is given up after so many failures, where it is refused in spite of a new token, and where none of its kind is offered.
      const { maxStreamRetries, streamTransport } = tab.options;
      const mayPoll = maxStreamRetries !== undefined || world.service.session > 1 || (streamTransport === "eventsource" && !world.service.native);
      assert.deepEqual([status, reason], mayPoll && reason === "stream" ? ["stale", "stream"] : ["ready", undefined]);
      assert.equal(tab.ready, 1, "ready is said once");
    }
    // One stream for each group of tabs with the same target, and for each client that shares none.
    const streaming = open.filter(({ client, options }) => options.streamEnabled !== false && client.state().status === "ready");
    const groups = new Set(streaming.map((tab) => (tab.options.shareStream ? tab.target : tab)));
    assert.equal(world.service.streams.size, groups.size, "open streams");
  }

  /** @param {Tab} tab */
  #assertFresh({ client, target, mirror }) {
    const truth = new Map(this.#world.service.evaluations(target).map((evaluation) => [evaluation.flag, text(valueOf(evaluation), evaluation.identifier)]));
    assert.deepEqual(sorted(held(client)), sorted(truth), `what the client of ${target} holds`);
    assert.deepEqual(sorted(mirror), sorted(truth), `what the listeners of ${target} know`);
  }

  async #end() {
    const world = this.#world;
    for (const tab of this.#tabs) if (!tab.closed) this.#close(tab, true);
    await world.advance(120_000);
    assert.equal(world.service.streams.size, 0, "streams are left");
    assert.equal(world.timers, 1, "timers are left beside the service's own");
    const [counted, unsure] = [world.service.counted, world.service.unsure].map((sums) => {
      const all = new Map(/** @type {[string, number][]} */ ([]));
      for (const [key, count] of sums) add(all, key.slice(key.indexOf(" ") + 1), count);
      return all;
    });
    for (const key of new Set([...this.#read.keys(), ...counted.keys()])) {
      const [made, came] = [this.#read.get(key) ?? 0, counted.get(key) ?? 0];
      assert.ok(came >= made - (this.#forgiven.get(key) ?? 0), `${key}: ${came} of ${made} reads were counted`);
      assert.ok(came <= made + (unsure.get(key) ?? 0), `${key}: ${came} reads were counted, ${made} made, ${unsure.get(key) ?? 0} perhaps twice`);
    }
  }
}

/** What a client holds, without counting reads. @param {any} client */
function held(client) {
  const values = client.flags();
  return new Map(client.evaluations().map((/** @type {any} */ { flag, identifier }) => [flag, text(Object.getOwnPropertyDescriptor(values, flag)?.value, identifier)]));
}

/** @param {unknown} value @param {string} identifier */
function text(value, identifier) {
  return JSON.stringify([value, identifier]);
}

/** @param {{ kind: string, value: string }} evaluation */
function valueOf({ kind, value }) {
  return kind === "boolean" ? value === "true" : kind === "int" ? Number(value) : kind === "json" ? JSON.parse(value) : value;
}

/** @param {Map<string, number>} sums @param {string} key @param {number} count */
function add(sums, key, count) {
  sums.set(key, (sums.get(key) ?? 0) + count);
}

/** @param {Map<string, string>} map */
function sorted(map) {
  return [...map].sort(([first], [second]) => (first < second ? -1 : 1));
}
