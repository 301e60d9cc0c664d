/**
 * For servers and edge functions that render pages: flags for one request, and the text by which they reach the page.
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
/** For how long a failure is remembered: a service that is away costs one page in so many milliseconds its timeout. */
const OUTAGE_MS = 5_000;
/** The longest time for which others leave the asking to one call. */
const MAX_PROBE_MS = 30_000;
/** Of more services than this nothing is remembered for long. */
const MAX_SERVICES = 1_000;

/** Options of {@link fetchEvaluations}. */
export interface FetchEvaluationsOptions extends Pick<Options, "baseUrl" | "logger" | "debug" | "wasm"> {
  /**
   * Milliseconds after which the page is better rendered without.
   * @default 3000
   */
  timeoutMs?: number;
}

/** What calls know of one service from those before. Moments are those of `performance.now()`. */
interface Service {
  /** When it answered last. */
  heard: number;
  outage?: {
    readonly error: FlagwireError;
    /** Who would wait longer than the call that failed may ask. */
    readonly waitedMs: number;
    until: number;
  };
}

/** By base URL and key. */
const services = new Map<string, Service>();

/**
 * All evaluations of a target, for one request. Signs in, fetches and closes: two requests, no stream, and no reads counted,
 * because the page counts its own.
 *
 * A service that does not answer in time, or refuses the key, is left alone for 5 seconds: calls with the same `baseUrl` and key reject at
 * once meanwhile, unless their `timeoutMs` is longer than what was waited already. Then one call asks again, and the others go on
 * rejecting until that one knows. So an outage costs one page in five seconds its timeout, and not each.
 *
 * @throws FlagwireError where the key or the target is refused, or nothing has come in time; its `cause` is what failed last. Render
 * with defaults then. Where Next renders a page ahead of requests, what its `fetch` throws is passed on: Next learns from it that the
 * page has to wait for a request.
 */
export async function fetchEvaluations(apiKey: string, target: Target, options: FetchEvaluationsOptions = {}): Promise<Evaluation[]> {
  const { timeoutMs: given, ...rest } = options;
  const timeoutMs = limitOf(given, TIMEOUT_MS);
  // Next, with `cacheComponents`, renders pages ahead of requests up to what has to wait, and allows neither the time nor chance before.
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
  // The others need not try as long as this call does. Not for longer, should it never be heard of again.
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
    // Where others were answered meanwhile it was this call's bad luck.
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
 * Whether a failure is how a framework ends the rendering of a page ahead of requests: what Next's `fetch` throws then has a `digest`, by
 * which Next knows it again. It says nothing about the flag service.
 */
function endsRendering(failure: FlagwireError | undefined): boolean {
  return typeof (failure?.cause as { digest?: unknown } | undefined)?.digest === "string";
}

/** A logger that keeps a warning to itself where the event that comes right after it says that there is nothing to warn of. */
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
          // Nobody would catch it here, and the process would end.
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
 * Evaluations as text to be put between `<script>` and `</script>`: a JavaScript expression, and JSON as well. Nothing in it can end
 * the element or start a comment, whatever the flags' values are. Not meant for attributes.
 */
export function dehydrate(evaluations: readonly Evaluation[]): string {
  const fields = evaluations.map(({ flag, identifier, value, kind }) => ({ flag, identifier, value, kind }));
  // The last two end a line in scripts of before 2019.
  return JSON.stringify(fields).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
