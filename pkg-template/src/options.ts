// Checks the options and applies the defaults.

import { TRANSPORTS } from "./border";
import { describe } from "./error";
import type { Logger, Options } from "./types";

/** The build sets this. */
declare const DEVELOPMENT: boolean;

const HARNESS = "https://config.ff.harness.io/api/1.0";
const HARNESS_EVENTS = "https://events.ff.harness.io/api/1.0";
const MIN_INTERVAL = 60_000;

/** Whether the warning that Harness Feature Flags ends was given in this page or process. */
let warned = false;

/** The environment variables of Node and of runtimes like it. */
const environment = (): unknown => (globalThis as { process?: { env?: { NODE_ENV?: unknown } } }).process?.env?.NODE_ENV;

/** The URLs of the service. */
export interface Endpoints {
  base_: string;
  events_: string;
  /** Whether to sign in without headers, so that no CORS preflight precedes it. It ends with the first sign-in that does not succeed. */
  plain_: boolean;
}

export interface CoreOptions {
  endpoints_: Endpoints;
  /** The options as the core receives them: in the order of `OptionPlace`, without the last. */
  numbers_: readonly number[];
}

/** Writes to the options' logger, or to the console. Errors of a logger are ignored, because they must not pass through the core. */
export type Log = (level: keyof Logger, text: string, ...data: unknown[]) => void;

export function logOf({ logger }: Options): Log {
  return (level, text, ...data) => {
    try {
      (typeof logger?.[level] === "function" ? logger : console)[level]("Flagwire: " + text, ...data);
    } catch {
      // The message is lost, as it would be without a console.
    }
  };
}

/** Returns the default for an option of the wrong type; in development a warning names the option. */
export function coreOptions(options: Options, log: Log): CoreOptions {
  /** The type of `fallback` is the type of the option. */
  function pick<K extends keyof Options>(name: K, fallback: NonNullable<Options[K]>): NonNullable<Options[K]> {
    const value = options[name] ?? fallback;
    if (typeof value === typeof fallback && value === value) return value;
    if (DEVELOPMENT) log("warn", describe("option", name, "a " + typeof fallback, String(fallback)));
    return fallback;
  }
  // Any value that is given is used: a page that names its own server must never send its key and its users to another one.
  const url = (name: "baseUrl" | "eventUrl", fallback: string) => {
    const value: unknown = options[name] ?? fallback;
    if (DEVELOPMENT && typeof value !== "string" && !(value instanceof URL)) log("warn", describe("option", name, "a URL", String(value)));
    return String(value).replace(/\/+$/, "");
  };
  const baseUrl = url("baseUrl", HARNESS);
  // Node and edge runtimes use this build in production too.
  if (DEVELOPMENT && !warned && /^https:\/\/[\w.-]+\.ff\.harness\.io(?:[:/]|$)/i.test(baseUrl) && environment() !== "production") {
    warned = true;
    log("warn", describe("harness-ends"));
  }
  // An object of another version of the package has another method.
  if (DEVELOPMENT && options.overrides != null && !options.overrides.attach_) log("warn", describe("option", "overrides", "what localOverrides() of flagwire/overrides returns", "none"));
  if (DEVELOPMENT && options.server != null && options.server !== "flagwire") log("warn", describe("option", "server", '"flagwire"', "no kind of server"));
  const streaming = pick("streamEnabled", true);
  const transport = TRANSPORTS.indexOf(pick("streamTransport", "auto") as "auto");
  // The core treats an unknown value as `auto`.
  if (DEVELOPMENT && transport < 0) log("warn", describe("option", "streamTransport", "one of " + TRANSPORTS.join(", "), "auto"));
  return {
    endpoints_: { base_: baseUrl, plain_: options.server === "flagwire", events_: url("eventUrl", options.baseUrl == null ? HARNESS_EVENTS : baseUrl) },
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
