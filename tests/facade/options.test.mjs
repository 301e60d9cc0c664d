// The options as the core and the wire get them.

import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import { OptionPlace, StreamTransport } from "../../pkg-template/src/border.ts";
import { coreOptions, logOf } from "../../pkg-template/src/options.ts";

/** The addresses that options lead to, and what is warned of. */
function addresses(options) {
  const warned = [];
  const { endpoints_: endpoints } = coreOptions(options, (level, text) => warned.push([level, text]));
  return { base: endpoints.base_, events: endpoints.events_, warned };
}

test("counts go where the flags come from, unless another place is named", () => {
  const own = "https://flags.example.com";
  deepEqual(addresses({ baseUrl: own }), { base: own, events: own, warned: [] });
  deepEqual(addresses({ baseUrl: own, eventUrl: "https://events.example.com/" }), { base: own, events: "https://events.example.com", warned: [] });
  deepEqual(addresses({ baseUrl: "" }), { base: "", events: "", warned: [] }, "the page's own origin");
  equal(addresses({}).base, "https://config.ff.harness.io/api/1.0");
  equal(addresses({}).events, "https://events.ff.harness.io/api/1.0");
});

test("an address may be a URL, with slashes at its end", () => {
  deepEqual(addresses({ baseUrl: new URL("https://flags.example.com/api/1.0//") }), {
    base: "https://flags.example.com/api/1.0",
    events: "https://flags.example.com/api/1.0",
    warned: [],
  });
});

test("an address that is none never leads to another service, and is warned of", () => {
  for (const baseUrl of [5, true, { href: "https://flags.example.com" }, ["https://flags.example.com"]]) {
    const { base, events, warned } = addresses({ baseUrl });
    equal(base, String(baseUrl));
    equal(events, base);
    equal(warned.length, 1);
  }
});

/** The numbers that the core gets, and what is warned of. */
function numbers(options) {
  const warned = [];
  return [coreOptions(options, (level, text) => warned.push(`${level}: ${text}`)).numbers_, warned];
}

/** By their places. */
const DEFAULTS = [1, 0, Infinity, 1, 60_000, 1, 60_000, 30_000, 0, 0, 1];

/** The defaults with another number in one place. */
const but = (place, number) => DEFAULTS.map((usual, n) => (n === place ? number : usual));

test("what is left out, undefined or null has its default, and nothing is warned of", () => {
  deepEqual(numbers({}), [DEFAULTS, []]);
  const names = ["streamEnabled", "streamTransport", "maxStreamRetries", "pollingEnabled", "pollingInterval", "enableAnalytics", "eventsSyncInterval", "authRequestReadTimeout", "cache", "pauseWhenHidden", "shareStream"];
  for (const nothing of [undefined, null]) deepEqual(numbers(Object.fromEntries(names.map((name) => [name, nothing]))), [DEFAULTS, []]);
});

test("each option reaches the core in its place", () => {
  // Whether there are values is known later, and comes last.
  equal(DEFAULTS.length, OptionPlace.CACHED);
  for (
    const [place, options, number] of [
      [OptionPlace.STREAMING, { streamEnabled: false }, 0],
      [OptionPlace.TRANSPORT, { streamTransport: "eventsource" }, StreamTransport.EVENT_SOURCE],
      [OptionPlace.TRANSPORT, { streamTransport: "fetch" }, StreamTransport.FETCH],
      [OptionPlace.MAX_STREAM_RETRIES, { maxStreamRetries: 3 }, 3],
      [OptionPlace.MAX_STREAM_RETRIES, { maxStreamRetries: 0 }, 0],
      [OptionPlace.POLLING, { pollingEnabled: false }, 0],
      [OptionPlace.POLLING_INTERVAL, { pollingInterval: 90_000 }, 90_000],
      [OptionPlace.METRICS, { enableAnalytics: false }, 0],
      [OptionPlace.METRICS_INTERVAL, { eventsSyncInterval: 120_000 }, 120_000],
      [OptionPlace.SIGN_IN_TIMEOUT, { authRequestReadTimeout: 5_000 }, 5_000],
      [OptionPlace.CACHE, { cache: true }, 1],
      [OptionPlace.CACHE, { cache: { ttl: 1 } }, 1],
      [OptionPlace.PAUSE_WHEN_HIDDEN, { pauseWhenHidden: 60_000 }, 60_000],
      [OptionPlace.SHARE_STREAM, { shareStream: false }, 0],
    ]
  ) deepEqual(numbers(options), [but(place, number), []], JSON.stringify(options));
});

test("an option of a wrong type has its default, and a warning names it", () => {
  for (
    const [name, value, needs] of [
      ["streamEnabled", "no", /"?streamEnabled"?.*boolean.*true/],
      ["pollingInterval", "60000", /"?pollingInterval"?.*number.*60000/],
      ["eventsSyncInterval", NaN, /"?eventsSyncInterval"?.*number/],
      ["maxStreamRetries", {}, /"?maxStreamRetries"?.*number.*Infinity/],
      ["shareStream", 1, /"?shareStream"?.*boolean/],
      ["streamTransport", 7, /"?streamTransport"?.*string.*auto/],
    ]
  ) {
    const [given, warned] = numbers({ [name]: value });
    deepEqual(given, DEFAULTS, name);
    equal(warned.length, 1, name);
    match(warned[0], /^warn: /);
    match(warned[0], needs);
  }
});

test("a transport that there is not is left to the core, and a warning names those that there are", () => {
  const [given, warned] = numbers({ streamTransport: "websocket" });
  equal(given[OptionPlace.TRANSPORT], -1);
  equal(warned.length, 1);
  match(warned[0], /streamTransport.*auto, eventsource, fetch/);
});

test("a kind of server that there is not is warned of", () => {
  deepEqual(numbers({ server: "flagwire" }), [DEFAULTS, []]);
  for (const server of ["flagwire", undefined, "harness"]) equal(coreOptions({ server }, () => {}).endpoints_.plain_, server === "flagwire");
  deepEqual(numbers({ server: undefined }), [DEFAULTS, []]);
  const [given, warned] = numbers({ server: "harness" });
  deepEqual(given, DEFAULTS);
  equal(warned.length, 1);
  match(warned[0], /server.*"flagwire"/);
});

test("messages go to the logger of the options, else to the console, and neither can do harm", (t) => {
  const lines = [];
  const warn = t.mock.method(console, "warn", (...data) => lines.push(["console", ...data]));
  const logger = { warn: (...data) => lines.push(["logger", ...data]) };
  logOf({ logger })("warn", "a text", 5);
  logOf({})("warn", "a text", 5);
  logOf({ logger: { warn: "no function" } })("warn", "a text");
  deepEqual(lines, [["logger", "Flagwire: a text", 5], ["console", "Flagwire: a text", 5], ["console", "Flagwire: a text"]]);
  warn.mock.mockImplementation(() => {
    throw new Error("no console");
  });
  logOf({})("warn", "a text");
  logOf({
    logger: {
      warn: () => {
        throw new Error("no logger");
      },
    },
  })("warn", "a text");
});
