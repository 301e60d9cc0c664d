// The playground's machine: several clients of the package, as tabs of one browser, in the world of the random lives, and a timeline
// of what they ask for, hear and say. Nothing here draws; the worker beside runs it in a page, and a test in Node.

import { Random } from "../../../tests/chaos/random.mjs";
import { World } from "../../../tests/lives/world.mjs";

/** The key of the header by which a request says which tab sends it. */
const TAB = "X-Tab";
const MINUTE_MS = 60_000;
const NIGHT_MS = 8 * 60 * MINUTE_MS;
/** The timeline keeps so many lines. */
const LINES = 400;
const TARGET = { identifier: "maya" };
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** What each flag can be. @type {Record<string, { kind: string, values: string[] }>} */
export const FLAGS = {
  "dark-mode": { kind: "boolean", values: ["false", "true"] },
  theme: { kind: "string", values: ["ocean", "sunset", "forest"] },
  "page-size": { kind: "int", values: ["4", "8", "12"] },
};

/**
 * @typedef {object} Line
 * @property {number} at milliseconds since the start
 * @property {string} [tab] whose it is; otherwise the service's, or what you did
 * @property {"request" | "reply" | "failure" | "event" | "state" | "service" | "act"} kind
 * @property {string} text
 *
 * @typedef {{ name: string, client: any }} Tab
 * @typedef {{ at: number, what: string, with?: string }} Act
 */

class WatchedWorld extends World {
  /** @type {(kind: Line["kind"], text: string, tab?: string) => void} */
  watch = () => {};

  /** @override @param {string} address @param {any} [init] */
  fetch(address, init = {}) {
    const { [TAB]: tab, ...headers } = init.headers ?? {};
    const { pathname } = new URL(address);
    const name = pathname.replace(/^\/client\/env\/[^/]+/, "…");
    this.watch("request", `${init.method ?? "GET"} ${name}`, tab);
    const reply = super.fetch(address, { ...init, headers });
    reply.then(
      ({ status }) => this.watch(status < 400 ? "reply" : "failure", `${status} ${name}`, tab),
      (error) => this.watch("failure", `${name}: ${error?.name === "AbortError" ? "given up" : "no reply"}`, tab),
    );
    return reply;
  }
}

export class Machine {
  /** @type {Line[]} */
  lines = [];
  /** What was done, for the page's address. @type {Act[]} */
  acts = [];
  offline = false;

  world = new WatchedWorld();
  /** @type {Tab[]} */
  tabs = [];
  #initialize;
  #options;
  #random;
  #started = 0;
  #opened = 0;
  /** Which tab has sent the request for each stream that is open. */
  #streaming = "";
  /** How long the reply to the next request for evaluations takes. @type {number | undefined} */
  #delayMs;

  /**
   * @param {(key: string, target: object, options: object) => any} initialize of the package
   * @param {number} seed
   * @param {object} [options] of each client
   */
  constructor(initialize, seed, options = {}) {
    this.#initialize = initialize;
    this.#options = options;
    this.#random = new Random(seed);
    this.world.fate = (asked) => this.#fate(asked);
    this.world.watch = (kind, text, tab) => {
      if (kind === "reply" && tab && text.endsWith("/stream")) this.#streaming = tab;
      this.#say(kind, text, tab);
    };
  }

  /** Takes the place of the platform, and opens two tabs. @param {{ after: (end: () => Promise<void>) => void }} scope */
  async start(scope) {
    this.world.install(scope, () => this.#random.next());
    this.#started = this.world.now;
    for (const [flag, { kind, values }] of Object.entries(FLAGS)) this.world.service.change(flag, { kind, value: values[0] });
    this.#open();
    // Loading the module takes time of the real clock.
    while (this.tabs[0].client.state().status !== "ready") await this.world.advance(1);
    this.#open();
    await this.world.advance(500);
  }

  /** Milliseconds since the start, on the world's clock. */
  get now() {
    return this.world.now - this.#started;
  }

  /** The name of the tab that holds the stream. */
  get leader() {
    return this.world.service.streams.size > 0 ? this.#streaming : "";
  }

  /** @param {number} delayMs */
  advance(delayMs) {
    return this.world.advance(delayMs);
  }

  /** Does one of the things of `ACTS`. @param {string} what @param {string} [argument] */
  async act(what, argument) {
    const act = ACTS[what];
    if (!act) return;
    this.acts.push({ at: this.now, what, ...(argument && { with: argument }) });
    await act(this, argument ?? "");
    await this.world.settle();
  }

  /** Does again what was done before, at the same moments. @param {Act[]} acts */
  async replay(acts) {
    for (const { at, what, with: argument } of acts) {
      await this.advance(Math.max(0, at - this.now));
      await this.act(what, argument);
    }
  }

  /** What the page draws. */
  snapshot() {
    return {
      now: this.now,
      offline: this.offline,
      leader: this.leader,
      served: Object.fromEntries([...this.world.service.flags].map(([flag, { value }]) => [flag, value])),
      tabs: this.tabs.map(({ name, client }) => ({ name, state: client.state(), values: { ...client.flags() } })),
      lines: this.lines.slice(-120),
      acts: this.acts,
    };
  }

  /** Whether each tab has what the service serves. */
  get fresh() {
    const served = this.world.service.evaluations(TARGET.identifier).map(({ flag, value }) => `${flag}=${value}`).sort().join();
    return this.tabs.every(({ client }) => client.evaluations().map((/** @type {any} */ { flag, value }) => `${flag}=${value}`).sort().join() === served);
  }

  // ---- what can be done ----

  /** @param {string} flag */
  flip(flag) {
    const { kind, values } = FLAGS[flag] ?? FLAGS["dark-mode"];
    const value = values[(values.indexOf(this.world.service.flags.get(flag)?.value ?? "") + 1) % values.length];
    this.#say("service", `${flag} is ${value} now`);
    this.world.service.change(flag, { kind, value });
  }

  cut() {
    this.#say("act", "the stream is cut");
    this.world.service.cut();
  }

  network() {
    this.offline = !this.offline;
    this.#say("act", this.offline ? "the network is gone" : "the network is back");
    if (this.offline) this.world.service.cut();
    else this.world.tell("online");
  }

  /** @param {number} delayMs */
  delay(delayMs) {
    this.#delayMs = delayMs;
    this.#say("act", `the next reply takes ${delayMs / 1000} s`);
  }

  close() {
    const tab = this.tabs.find(({ name }) => name === this.leader) ?? this.tabs[0];
    if (!tab || this.tabs.length < 2) return;
    this.#say("act", `tab ${tab.name} is closed`);
    this.tabs = this.tabs.filter((one) => one !== tab);
    tab.client.close();
  }

  open() {
    if (this.tabs.length < 4) this.#open();
  }

  async sleep() {
    this.#say("act", "the machine sleeps for eight hours, and the service changes a flag meanwhile");
    // The network forgets the connections, and nobody is there to hear of it.
    this.world.service.streams.clear();
    this.world.now += NIGHT_MS;
    this.flip("theme");
    await this.advance(0);
  }

  token() {
    this.#say("act", "the service refuses all tokens that it gave out, and ends the stream");
    this.world.service.session += 1;
    this.world.service.cut();
  }

  /** A reply that was on its way before a change arrives after it. */
  async old() {
    const leader = this.tabs.find(({ name }) => name === this.leader) ?? this.tabs[0];
    this.delay(4_000);
    leader?.client.refreshEvaluations();
    await this.advance(100);
    this.flip("dark-mode");
  }

  async storm() {
    this.#say("act", "a storm of twenty acts, which the seed decides");
    const kinds = ["flip", "flip", "flip", "cut", "network", "delay", "token", "open", "close"];
    for (let n = 0; n < 20; n += 1) {
      const kind = this.#random.pick(kinds);
      await ACTS[kind]?.(this, this.#random.pick(Object.keys(FLAGS)));
      await this.advance(this.#random.pick([10, 200, 2_000, 20_000]));
    }
    if (this.offline) this.network();
  }

  #open() {
    const name = String.fromCharCode(65 + this.#opened);
    this.#opened += 1;
    const client = this.#initialize("key", TARGET, { baseUrl: "https://flags.test", logger: quiet, shareStream: true, eventsSyncInterval: 10 * MINUTE_MS, ...this.#options });
    client.registerAPIRequestMiddleware((/** @type {any} */ [url, init]) => [url, { ...init, headers: { ...init.headers, [TAB]: name } }]);
    client.on("state", (/** @type {any} */ { status, reason }) => this.#say("state", reason ? `${status} (${reason})` : status, name));
    client.on("changed", (/** @type {any} */ { flag, value }) => this.#say("event", `${flag} changed to ${JSON.stringify(value)}`, name));
    for (const event of ["connected", "disconnected", "polling", "polling stopped"]) client.on(event, () => this.#say("event", event, name));
    this.tabs.push({ name, client });
    this.#say("act", `tab ${name} is opened`);
  }

  /** @param {import("../../../tests/lives/world.mjs").Asked} asked @returns {import("../../../tests/lives/world.mjs").Fate} */
  #fate({ url, method }) {
    if (this.offline) return { thereMs: 20, backMs: 20, harm: "lost" };
    const backMs = 20 + this.#random.between(0, 30);
    if (this.#delayMs === undefined || method !== "GET" || url.pathname === "/stream") return { thereMs: 20, backMs };
    const delayMs = this.#delayMs;
    this.#delayMs = undefined;
    return { thereMs: 20, backMs: delayMs };
  }

  /** @param {Line["kind"]} kind @param {string} text @param {string} [tab] */
  #say(kind, text, tab) {
    this.lines.push({ at: this.now, kind, text, ...(tab && { tab }) });
    if (this.lines.length > LINES) this.lines.splice(0, this.lines.length - LINES);
  }
}

/** What the page's buttons do. @type {Record<string, (machine: Machine, argument: string) => unknown>} */
export const ACTS = {
  flip: (machine, flag) => machine.flip(flag),
  cut: (machine) => machine.cut(),
  network: (machine) => machine.network(),
  delay: (machine) => machine.delay(5_000),
  close: (machine) => machine.close(),
  open: (machine) => machine.open(),
  sleep: (machine) => machine.sleep(),
  token: (machine) => machine.token(),
  old: (machine) => machine.old(),
  storm: (machine) => machine.storm(),
};

/** The address's part that says what was done: `1500.flip.theme~2300.cut`. @param {readonly Act[]} acts */
export function encodeActs(acts) {
  return acts.map(({ at, what, with: argument }) => [Math.round(at), what, ...(argument ? [argument] : [])].join(".")).join("~");
}

/** @param {string} text @returns {Act[]} */
export function decodeActs(text) {
  return text.split("~").flatMap((part) => {
    const [at = "", what = "", argument] = part.split(".");
    return /^\d{1,9}$/.test(at) && Object.hasOwn(ACTS, what) ? { at: Number(at), what, ...(argument && { with: argument }) } : [];
  });
}
