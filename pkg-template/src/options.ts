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

/** The options' logger, or the console. What it throws is nobody's business: it must not go through the core. */
export function loggerOf({ logger }: Options): Logger {
  const levels = ["debug", "info", "warn", "error"] as const;
  const used = logger && levels.every((level) => typeof logger[level] === "function") ? logger : console;
  const safe = (level: (typeof levels)[number]) => (...data: unknown[]) => {
    try {
      used[level](...data);
    } catch {
      // as if nobody read it
    }
  };
  return Object.fromEntries(levels.map((level) => [level, safe(level)])) as unknown as Logger;
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
