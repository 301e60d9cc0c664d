// Checks the options and fills in the defaults.

import type { Logger, Options } from "./types";

const HARNESS = "https://config.ff.harness.io/api/1.0";
const HARNESS_EVENTS = "https://events.ff.harness.io/api/1.0";
const MIN_INTERVAL = 60_000;
const TRANSPORTS = ["auto", "eventsource", "fetch"];
/** The place of the transport among the numbers, and its number there for `fetch`. */
export const TRANSPORT = 1;
export const FETCH = 2;

/** Where the service is. */
export interface Endpoints {
  base: string;
  events: string;
}

export interface CoreOptions {
  endpoints: Endpoints;
  /** What the core is told: `src/options.rs` reads it by place. */
  numbers: readonly number[];
}

/** The options' logger, or the console. */
export function loggerOf({ logger }: Options): Logger {
  const usable = logger && (["debug", "info", "warn", "error"] as const).every((level) => typeof logger[level] === "function");
  return usable ? logger : console;
}

/** A wrong option is named in a warning, and its default is taken. */
export function coreOptions(options: Options, warn: (sentence: string) => void): CoreOptions {
  function pick<K extends keyof Options>(name: K, type: string, fallback: NonNullable<Options[K]>): NonNullable<Options[K]> {
    const value: unknown = options[name];
    if (value == null) return fallback;
    if (typeof value === type && value === value) return value as NonNullable<Options[K]>;
    warn(`option ${name} must be a ${type}; ${String(fallback)} is used`);
    return fallback;
  }
  const url = (name: "baseUrl" | "eventUrl", fallback: string) => pick(name, "string", fallback).replace(/\/+$/, "");
  const baseUrl = url("baseUrl", HARNESS);
  const streaming = pick("streamEnabled", "boolean", true);
  const transport = TRANSPORTS.indexOf(pick("streamTransport", "string", "auto"));
  if (transport < 0) warn(`option streamTransport must be one of ${TRANSPORTS.join(", ")}; auto is used`);
  return {
    endpoints: { base: baseUrl, events: url("eventUrl", options.baseUrl ? baseUrl : HARNESS_EVENTS) },
    numbers: [
      +streaming,
      transport,
      pick("maxStreamRetries", "number", Infinity),
      +pick("pollingEnabled", "boolean", true),
      pick("pollingInterval", "number", MIN_INTERVAL),
      +pick("enableAnalytics", "boolean", true),
      pick("eventsSyncInterval", "number", MIN_INTERVAL),
      pick("authRequestReadTimeout", "number", 0) || 30_000,
      +!!options.cache,
      pick("pauseWhenHidden", "number", 0),
      +pick("shareStream", "boolean", true),
    ],
  };
}
