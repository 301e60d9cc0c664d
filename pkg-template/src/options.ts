// Checks the options and fills in the defaults.

import { TRANSPORTS } from "./border";
import { describe } from "./error";
import type { Logger, Options } from "./types";

/** Set by the build. */
declare const DEVELOPMENT: boolean;

const HARNESS = "https://config.ff.harness.io/api/1.0";
const HARNESS_EVENTS = "https://events.ff.harness.io/api/1.0";
const MIN_INTERVAL = 60_000;

/** Whether it was said in this page or process that Harness ends. */
let warned = false;

/** What Node, and what imitates it, says of the environment. */
const environment = (): unknown => (globalThis as { process?: { env?: { NODE_ENV?: unknown } } }).process?.env?.NODE_ENV;

/** Where the service is. */
export interface Endpoints {
  base_: string;
  events_: string;
}

export interface CoreOptions {
  endpoints_: Endpoints;
  /** What the core gets: the options at the places of `OptionPlace`, but the last. */
  numbers_: readonly number[];
}

/** Writes to the options' logger, or the console. What that throws is nobody's business: it must not go through the core. */
export type Log = (level: keyof Logger, text: string, ...data: unknown[]) => void;

export function logOf({ logger }: Options): Log {
  return (level, text, ...data) => {
    try {
      (typeof logger?.[level] === "function" ? logger : console)[level]("Flagwire: " + text, ...data);
    } catch {
      // as if nobody read it
    }
  };
}

/** The default of a wrong option is taken; in development a warning names it. */
export function coreOptions(options: Options, log: Log): CoreOptions {
  /** The type of `fallback` is the option's. */
  function pick<K extends keyof Options>(name: K, fallback: NonNullable<Options[K]>): NonNullable<Options[K]> {
    const value = options[name] ?? fallback;
    if (typeof value === typeof fallback && value === value) return value;
    if (DEVELOPMENT) log("warn", describe("option", name, "a " + typeof fallback, String(fallback)));
    return fallback;
  }
  // Whatever is given counts: a page that means its own server must never talk to another one with its key and its users.
  const url = (name: "baseUrl" | "eventUrl", fallback: string) => {
    const value: unknown = options[name] ?? fallback;
    if (DEVELOPMENT && typeof value !== "string" && !(value instanceof URL)) log("warn", describe("option", name, "a URL", String(value)));
    return String(value).replace(/\/+$/, "");
  };
  const baseUrl = url("baseUrl", HARNESS);
  // Node and edge runtimes have this build in production, too.
  if (DEVELOPMENT && !warned && /^https:\/\/[\w.-]+\.ff\.harness\.io(?:[:/]|$)/i.test(baseUrl) && environment() !== "production") {
    warned = true;
    log("warn", describe("harness-ends"));
  }
  const streaming = pick("streamEnabled", true);
  const transport = TRANSPORTS.indexOf(pick("streamTransport", "auto") as "auto");
  // The core takes what it does not know for `auto`.
  if (DEVELOPMENT && transport < 0) log("warn", describe("option", "streamTransport", "one of " + TRANSPORTS.join(", "), "auto"));
  return {
    endpoints_: { base_: baseUrl, events_: url("eventUrl", options.baseUrl == null ? HARNESS_EVENTS : baseUrl) },
    numbers_: [
      +streaming,
      transport,
      pick("maxStreamRetries", Infinity),
      +pick("pollingEnabled", true),
      pick("pollingInterval", MIN_INTERVAL),
      +pick("enableAnalytics", true),
      pick("eventsSyncInterval", MIN_INTERVAL),
      pick("authRequestReadTimeout", 0) || 30_000,
      +!!options.cache,
      pick("pauseWhenHidden", 0),
      +pick("shareStream", true),
    ],
  };
}
