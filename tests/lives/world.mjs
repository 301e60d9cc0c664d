// A platform in which clients of the package live: a clock that the test moves, timers, `fetch`, `EventSource`, channels,
// locks and page events, and a flag service with a network in between that does harm. All of it is in this process; the client is the
// package as it is built, with its module. The playground of the documentation has the same world in a page's worker.

import { lockManager } from "../lib/locks.mjs";

/** What a real event loop is let do between two steps of the clock. */
const TURNS = 6;
/** More steps of the clock than this are a client that asks again and again. */
const MAX_STEPS = 400_000;
const HEARTBEAT_MS = 15_000;

/**
 * What becomes of a request or a stream.
 *
 * @typedef {object} Fate
 * @property {number} thereMs how long it takes to the service
 * @property {number} backMs how long the reply takes
 * @property {"lost" | "reply lost" | "hangs" | "garbage" | number} [harm] no connection; the service has heard it and the reply is lost; never
 *   answered; answered with what is no JSON; answered with this status
 * @property {number} [retryAfter] seconds, with a status
 *
 * @typedef {{ url: URL, method: string, headers: Record<string, string>, body: string }} Asked
 */

export class World {
  now = 1_700_000_000_000;
  /** Decides what becomes of each request. @type {(asked: Asked) => Fate} */
  fate = () => ({ thereMs: 5, backMs: 5 });
  service;
  /** How many requests are under way. */
  underWay = 0;
  /** Whether the page is hidden. */
  hidden = false;
  page = new EventTarget();

  /** @type {{ at: number, order: number, run: () => void }[]} */
  #timers = [];
  #order = 0;
  #steps = 0;
  /** Those that are open, of all clients. */
  channels = new Set(/** @type {{ name: string, onmessage?: (event: { data: unknown }) => void }[]} */ ([]));
  #turn = setImmediate;

  constructor() {
    this.service = new Service(this);
  }

  /**
   * Takes the place of the platform until the scope ends.
   *
   * @param {import("../lib/scope.mjs").Scope} t
   * @param {() => number} random in the place of `Math.random`
   */
  install(t, random) {
    const [date, chance] = [Date.now, Math.random];
    Date.now = () => this.now;
    Math.random = random;
    t.after(async () => {
      Date.now = date;
      Math.random = chance;
    });
    const world = this;
    const globals = {
      setTimeout: (/** @type {() => void} */ run, /** @type {number} */ delayMs = 0) => this.after(delayMs, run),
      clearTimeout: (/** @type {unknown} */ timer) => this.cancel(timer),
      fetch: (/** @type {string} */ url, /** @type {RequestInit} */ init) => this.fetch(url, init),
      EventSource: sourceOf(this),
      BroadcastChannel: class {
        /** @type {((event: { data: unknown }) => void) | undefined} */
        onmessage;
        /** @param {string} name */
        constructor(name) {
          this.name = name;
          world.channels.add(this);
        }
        /** @param {unknown} message */
        postMessage(message) {
          const data = structuredClone(message);
          for (const other of world.channels) if (other !== this && other.name === this.name) world.after(1, () => world.channels.has(other) && other.onmessage?.({ data }));
        }
        close() {
          world.channels.delete(this);
        }
      },
      navigator: { locks: lockManager() },
      document: {
        get hidden() {
          return world.hidden;
        },
      },
      addEventListener: this.page.addEventListener.bind(this.page),
      removeEventListener: this.page.removeEventListener.bind(this.page),
    };
    for (const [name, value] of Object.entries(globals)) {
      const before = Object.getOwnPropertyDescriptor(globalThis, name);
      Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
      t.after(async () => void (before ? Object.defineProperty(globalThis, name, before) : Reflect.deleteProperty(globalThis, name)));
    }
  }

  // ---- time ----

  /** Calls later. @param {number} delayMs @param {() => void} run */
  after(delayMs, run) {
    const timer = { at: this.now + Math.max(0, delayMs), order: this.#order += 1, run };
    const place = this.#timers.findIndex(({ at }) => at > timer.at);
    this.#timers.splice(place < 0 ? this.#timers.length : place, 0, timer);
    return timer;
  }

  /** @param {unknown} timer */
  cancel(timer) {
    this.#timers = this.#timers.filter((one) => one !== timer);
  }

  /** Timers that wait. */
  get timers() {
    return this.#timers.length;
  }

  /** Lets so much time pass, and everything happen that is due. @param {number} delayMs */
  async advance(delayMs) {
    const end = this.now + delayMs;
    await this.settle();
    for (let next = this.#timers[0]; next && next.at <= end; next = this.#timers[0]) {
      this.#timers.shift();
      this.now = Math.max(this.now, next.at);
      if ((this.#steps += 1) > MAX_STEPS) throw new Error("the clients spin");
      next.run();
      await this.settle();
    }
    this.now = end;
  }

  /** Lets promises and locks go on, for which no time passes. */
  async settle() {
    for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => this.#turn(resolve));
  }

  /** Tells the page's listeners of an event. @param {string} type @param {object} [more] */
  tell(type, more = {}) {
    this.page.dispatchEvent(Object.assign(new Event(type), more));
  }

  // ---- the network ----

  /** @param {string} address @param {RequestInit} [init] @returns {Promise<Response>} */
  fetch(address, { method = "GET", headers = {}, body = "", signal } = {}) {
    const asked = { url: new URL(address), method, headers: /** @type {Record<string, string>} */ (headers), body: String(body) };
    const { thereMs, backMs, harm, retryAfter } = this.fate(asked);
    this.underWay += 1;
    return new Promise((/** @type {(response: Response) => void} */ resolve, /** @type {(error: unknown) => void} */ reject) => {
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", () => reject(signal.reason));
      if (harm === "hangs") return;
      this.after(thereMs, () => {
        if (signal?.aborted) return;
        if (harm === "lost") return reject(new TypeError("fetch failed"));
        if (typeof harm === "number") {
          const refused = new Response('{"message":"out of order"}', { status: harm, headers: retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) } });
          return void this.after(backMs, () => resolve(refused));
        }
        const reply = this.service.answer(asked, signal ?? undefined, harm === undefined);
        if (harm === "reply lost") return void this.after(backMs, () => reject(new TypeError("fetch failed")));
        // A stream opens for whoever still waits for it.
        this.after(backMs, () => signal?.aborted || resolve(harm === "garbage" ? spoiled(reply()) : reply()));
      });
    }).finally(() => (this.underWay -= 1));
  }
}

/** A reply whose body is a page. @param {Response} reply */
function spoiled({ status, body }) {
  void body?.cancel();
  return new Response(status === 304 ? null : "<html>", { status });
}

/** @typedef {{ flag: string, identifier: string, value: string, kind: string }} Evaluation */

/** The flag service. */
class Service {
  /** Texts by flag; `$` in one stands for the target. @type {Map<string, { value: string, kind: string }>} */
  flags = new Map();
  /** The open streams. */
  streams = new Set(/** @type {Stream[]} */ ([]));
  /** How many posted reads each target, flag and variation has, and how many of these the client cannot know to have arrived. */
  counted = new Map(/** @type {[string, number][]} */ ([]));
  unsure = new Map(/** @type {[string, number][]} */ ([]));
  /** Tokens of earlier sessions are refused. */
  session = 0;
  /** Whether sign-ins offer a stream by URL. */
  native = true;

  #world;

  /** @param {World} world */
  constructor(world) {
    this.#world = world;
    const beat = () => {
      for (const stream of this.streams) stream.beat();
      world.after(HEARTBEAT_MS, beat);
    };
    world.after(HEARTBEAT_MS, beat);
  }

  /** What a fresh fetch would return. @param {string} target @returns {Evaluation[]} */
  evaluations(target) {
    return [...this.flags].map(([flag, { value, kind }]) => ({ flag, identifier: `v-${value}`, value: value.replace("$", target), kind }));
  }

  /** @param {string} flag @param {{ value: string, kind: string } | undefined} next nothing to delete it */
  change(flag, next) {
    const event = !next ? "delete" : this.flags.has(flag) ? "patch" : "create";
    if (next) this.flags.set(flag, next);
    else if (!this.flags.delete(flag)) return;
    for (const stream of this.streams) stream.say("*", JSON.stringify({ event, domain: "flag", identifier: flag, version: 1 }));
  }

  /**
   * Does what is asked for, and returns what makes the reply: only when it arrives does a stream open for the client.
   *
   * @param {Asked} asked @param {AbortSignal | undefined} signal @param {boolean} arrives whether the client will hear of it
   * @returns {() => Response}
   */
  answer({ url, method, headers, body }, signal, arrives) {
    const json = (/** @type {unknown} */ value, /** @type {ResponseInit} */ init = {}) => () => new Response(JSON.stringify(value), init);
    if (url.pathname === "/client/auth") {
      const { target } = JSON.parse(body);
      const claims = { environment: "e-1", clusterIdentifier: "1", session: this.session };
      const streamUrl = this.native ? `stream?ticket=${encodeURIComponent(target.identifier)}` : undefined;
      return json({ authToken: `e30.${btoa(JSON.stringify(claims))}.sig`, streamUrl });
    }
    const { session } = JSON.parse(atob(headers.Authorization.split(".")[1]));
    if (session !== this.session) return json({ message: "the token has expired" }, { status: 401 });
    if (method === "POST") {
      this.#count(JSON.parse(body), arrives);
      return json({});
    }
    if (url.pathname === "/stream") return () => this.#stream(signal);
    const [, target, flag] = /\/target\/([^/]+)\/evaluations(?:\/(.+))?$/.exec(url.pathname) ?? [];
    const all = this.evaluations(decodeURIComponent(target));
    if (flag !== undefined) {
      const one = all.find((evaluation) => evaluation.flag === decodeURIComponent(flag));
      return one ? json(one) : json({ message: "no such flag" }, { status: 404 });
    }
    const ETag = `"${encodeURIComponent(JSON.stringify(all))}"`;
    return headers["If-None-Match"] === ETag ? () => new Response(null, { status: 304 }) : json(all, { headers: { ETag } });
  }

  /** Cuts every stream there is, as a restart does. */
  cut() {
    for (const stream of [...this.streams]) stream.end(true);
  }

  /** @param {{ metricsData: { count: number, attributes: { key: string, value: string }[] }[] }} posted @param {boolean} arrives */
  #count({ metricsData }, arrives) {
    for (const { count, attributes } of metricsData) {
      const read = Object.fromEntries(attributes.map(({ key, value }) => [key, value]));
      const key = `${read.target} ${read.featureIdentifier} ${read.variationIdentifier}`;
      for (const sums of arrives ? [this.counted] : [this.counted, this.unsure]) sums.set(key, (sums.get(key) ?? 0) + count);
    }
  }

  /** @param {AbortSignal | undefined} signal */
  #stream(signal) {
    /** @type {Stream | undefined} */
    let stream;
    const body = new ReadableStream({
      start: (controller) => {
        stream = new Stream(this.#world, (text) => controller.enqueue(new TextEncoder().encode(text)), (broken) => (broken ? controller.error(new TypeError("terminated")) : controller.close()), ":\n\n");
        signal?.addEventListener("abort", () => stream?.end(true));
      },
      cancel: () => stream?.end(false),
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  }
}

/** The service's side of an open stream. */
class Stream {
  #world;
  #write;
  #close;
  #heartbeat;

  /** @param {World} world @param {(text: string) => void} write @param {(broken: boolean) => void} close @param {string} heartbeat */
  constructor(world, write, close, heartbeat) {
    this.#world = world;
    this.#write = write;
    this.#close = close;
    this.#heartbeat = heartbeat;
    world.service.streams.add(this);
  }

  /** @param {string} event @param {string} data */
  say(event, data) {
    this.#send(`event: ${event}\ndata: ${data}\n\n`);
  }

  beat() {
    this.#send(this.#heartbeat);
  }

  /** @param {boolean} broken */
  end(broken) {
    if (!this.#world.service.streams.delete(this)) return;
    try {
      this.#close(broken);
    } catch {
      // The other side has ended it.
    }
  }

  /** @param {string} text */
  #send(text) {
    this.#world.after(5, () => this.#world.service.streams.has(this) && this.#write(text));
  }
}

/** The browser's own `EventSource`, which the world's network carries. @param {World} world */
function sourceOf(world) {
  return class extends EventTarget {
    /** @type {(() => void) | undefined} */
    onerror;
    #closed = false;
    /** @type {Stream | undefined} */
    #stream;

    /** @param {string} address */
    constructor(address) {
      super();
      const { thereMs, backMs, harm } = world.fate({ url: new URL(address), method: "GET", headers: {}, body: "" });
      if (harm === "hangs") return;
      world.after(thereMs + backMs, () => {
        if (this.#closed) return;
        if (harm !== undefined) return this.onerror?.();
        this.#stream = new Stream(world, (text) => this.#hear(text), () => !this.#closed && this.onerror?.(), "event: heartbeat\ndata: {}\n\n");
        this.#hear('event: heartbeat\ndata: {"open":true}\n\n');
      });
    }

    close() {
      this.#closed = true;
      this.#stream?.end(false);
    }

    /** @param {string} text one event */
    #hear(text) {
      const [, name, data] = /^event: (.*)\ndata: (.*)\n\n$/.exec(text) ?? [];
      if (!this.#closed) this.dispatchEvent(Object.assign(new Event(name), { data }));
    }
  };
}
