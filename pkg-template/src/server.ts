/**
 * Fetches flags for one request, in servers and edge functions that render pages, and writes them into the page.
 *
 * ```ts
 * const flags = await fetchEvaluations("api-key", { identifier: "user-42" }).catch(() => []);
 * const html = `<script>window.flags = ${dehydrate(flags)}</script>`;
 *
 * // in the page
 * initialize("api-key", { identifier: "user-42" }, { bootstrap: window.flags });
 * ```
 *
 * @packageDocumentation
 */

import { FlagwireError, initialize } from "./index";
import type { Evaluation, Logger, Options, Target } from "./types";
import { limitOf } from "./waiting";

const TIMEOUT_MS = 3_000;
/** Milliseconds for which a failure is remembered: while a service is down, one page in this time waits for its timeout. */
const OUTAGE_MS = 5_000;
/** The longest time in milliseconds for which other calls leave it to one call to ask again. */
const MAX_PROBE_MS = 30_000;
/** The largest number of services whose failures are remembered. */
const MAX_SERVICES = 1_000;

/** Options of {@link fetchEvaluations}. */
export interface FetchEvaluationsOptions extends Pick<Options, "baseUrl" | "logger" | "debug" | "wasm"> {
  /**
   * The time limit in milliseconds, after which the page should be rendered with defaults.
   * @default 3000
   */
  timeoutMs?: number;
}

/** The results of earlier calls to one service. Times are those of `performance.now()`. */
interface Service {
  /** The time of the last answer. */
  heard: number;
  outage?: {
    readonly error: FlagwireError;
    /** The timeout of the call that failed; a call with a longer one may ask again. */
    readonly waitedMs: number;
    until: number;
  };
}

/** The services, by base URL and key. */
const services = new Map<string, Service>();

/**
 * Returns all evaluations of a target, for one request. It signs in, fetches and closes: two requests, no stream, and no counted
 * reads, because the page counts its own.
 *
 * If a service does not answer in time, or refuses the key, calls with the same `baseUrl` and key reject at once for 5 seconds, unless
 * their `timeoutMs` is longer than that of the failed call. Then one call asks again, and the others continue to reject until it has an
 * answer. In an outage only one page in five seconds waits for its timeout.
 *
 * @throws FlagwireError if the key or the target is refused, or no answer arrives in time; its `cause` is the last failure. Render the
 * page with defaults then. While Next prerenders a page, the error of its `fetch` is passed on, because Next learns from it that the
 * page has to wait for a request.
 */
export async function fetchEvaluations(apiKey: string, target: Target, options: FetchEvaluationsOptions = {}): Promise<Evaluation[]> {
  const { timeoutMs: given, ...rest } = options;
  const timeoutMs = limitOf(given, TIMEOUT_MS);
  // With `cacheComponents` Next prerenders pages up to the first dynamic part, and forbids reading the time or random numbers before it.
  await new Promise((resolve) => setTimeout(resolve));
  const service = serviceOf(apiKey, options.baseUrl);
  const begun = performance.now();
  const { outage } = service;
  const known = outage && timeoutMs <= outage.waitedMs;
  if (known && begun < outage.until) {
    const { code, status, final } = outage.error;
    throw new FlagwireError("the flag service failed a moment ago, and is not asked again for some seconds", code, status, final, outage.error);
  }
  let failed: FlagwireError | undefined;
  const client = initialize(apiKey, target, { ...rest, logger: unless(() => endsRendering(failed), options.logger), streamEnabled: false, pollingEnabled: false, enableAnalytics: false });
  // Other calls need not try while this one does, but only for a limited time, in case it never returns.
  if (known) outage.until = begun + Math.min(timeoutMs, MAX_PROBE_MS);
  client.on("error", (error) => {
    failed = error;
    if (endsRendering(error)) client.close();
  });
  try {
    await client.ready(timeoutMs);
    answered(service);
    return client.evaluations();
  } catch (error) {
    if (endsRendering(failed)) throw failed!.cause;
    const { code } = error as FlagwireError;
    const late = code === "timeout" ? new FlagwireError(`no evaluations after ${timeoutMs} ms`, code, failed?.status, false, failed) : (error as FlagwireError);
    if (code !== "timeout" && code !== "unauthorized") answered(service);
    // If other calls were answered meanwhile, the service is not down.
    else if (service.heard < begun) {
      const waitedMs = code === "timeout" ? Math.max(timeoutMs, service.outage?.waitedMs ?? 0) : Infinity;
      service.outage = { error: late, waitedMs, until: performance.now() + OUTAGE_MS };
    }
    throw late;
  } finally {
    client.close();
  }
}

/**
 * Returns whether a failure is the way in which a framework ends prerendering: the error of Next's `fetch` then has a `digest`, by which
 * Next recognises it. Such a failure says nothing about the flag service.
 */
function endsRendering(failure: FlagwireError | undefined): boolean {
  return typeof (failure?.cause as { digest?: unknown } | undefined)?.digest === "string";
}

/** Returns a logger that drops a warning if the event that follows at once shows that there is no reason for it. */
function unless(quiet: () => boolean, logger: Partial<Logger> | undefined): Logger {
  const write = (level: keyof Logger, data: unknown[]) => (typeof logger?.[level] === "function" ? (logger as Logger) : console)[level](...data);
  return {
    debug: (...data) => write("debug", data),
    info: (...data) => write("info", data),
    warn: (...data) =>
      queueMicrotask(() => {
        try {
          if (!quiet()) write("warn", data);
        } catch {
          // An error here would be uncaught and would end the process.
        }
      }),
    error: (...data) => write("error", data),
  };
}

function serviceOf(apiKey: string, baseUrl: string | URL | undefined): Service {
  const name = JSON.stringify([baseUrl, apiKey]);
  let service = services.get(name);
  if (!service) {
    if (services.size >= MAX_SERVICES) services.clear();
    services.set(name, service = { heard: -1 });
  }
  return service;
}

function answered(service: Service): void {
  service.heard = performance.now();
  delete service.outage;
}

/**
 * Returns evaluations as text to put between `<script>` and `</script>`. It is a JavaScript expression and also JSON. Whatever the flags'
 * values are, nothing in it can end the element or start a comment. Do not use it in attributes.
 */
export function dehydrate(evaluations: readonly Evaluation[]): string {
  const fields = evaluations.map(({ flag, identifier, value, kind }) => ({ flag, identifier, value, kind }));
  // The last two end a line in JavaScript engines from before 2019.
  return JSON.stringify(fields).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
