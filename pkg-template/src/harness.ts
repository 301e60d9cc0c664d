/**
 * A replacement for `@harnessio/ff-javascript-client-sdk` 1.32, with the same exports and behaviour on top of Flagwire's client.
 *
 * It keeps the names, order and payloads of events, `ready` as soon as there are any values, reads without a check of types, and one
 * count for each flag in 500 ms. It does not keep defects: changes missed while the stream reconnects, events lost between chunks,
 * giving up after one failed sign-in, deleted flags that stay, and `changed` for equal JSON.
 *
 * @packageDocumentation
 */

import { Event as CoreEvent, initialize as start, valueOf, type EventName } from "./index";
import type { Client as CoreClient } from "./client";
import type { FlagwireError } from "./failure";
import { record } from "./record";
import { sha256 } from "./sha256";
import type { CacheOptions as CoreCacheOptions, Evaluation as CoreEvaluation, Json, Logger, Options as CoreOptions } from "./types";

/** Reads of a flag within this many milliseconds are counted once. */
const COUNT_INTERVAL_MS = 500;
/** `refreshEvaluations` does nothing until this many milliseconds have passed since the last refresh. */
const REFRESH_INTERVAL_MS = 60_000;
const EVENT_URL = "https://events.ff.harness.io/api/1.0";

/** The events of a client. */
export enum Event {
  READY = "ready",
  CONNECTED = "connected",
  DISCONNECTED = "disconnected",
  STOPPED = "stopped",
  POLLING = "polling",
  POLLING_STOPPED = "polling stopped",
  FLAGS_LOADED = "flags loaded",
  CACHE_LOADED = "cache loaded",
  CHANGED = "changed",
  ERROR = "error",
  ERROR_CACHE = "cache error",
  ERROR_METRICS = "metrics error",
  ERROR_AUTH = "auth error",
  ERROR_FETCH_FLAGS = "fetch flags error",
  ERROR_FETCH_FLAG = "fetch flag error",
  ERROR_STREAM = "stream error",
  ERROR_DEFAULT_VARIATION_RETURNED = "default variation returned",
}

/** The user or device that flags are evaluated for. */
export interface Target {
  identifier: string;
  name?: string;
  anonymous?: boolean;
  attributes?: object;
}

/** The converted value of a flag. */
export type VariationValue = boolean | string | number | object | undefined;

export interface VariationValueWithDebug {
  value: VariationValue;
  isDefaultValue: boolean;
}

export interface DefaultVariationEventPayload {
  flag: string;
  defaultVariation: VariationValue;
}

/** The result of one flag for the target. */
export interface Evaluation {
  flag: string;
  identifier: string;
  value: VariationValue;
  kind: string;
  deleted?: boolean;
}

/** An event on the server's stream. */
export interface StreamEvent {
  event: string;
  domain: string;
  identifier: string;
  version: number;
  evaluations?: Evaluation[];
}

/** The arguments of the listeners of each event. */
export interface EventCallbackMapping {
  [Event.READY]: (flags: Record<string, VariationValue>) => void;
  [Event.CONNECTED]: () => void;
  [Event.STOPPED]: () => void;
  [Event.POLLING]: () => void;
  [Event.POLLING_STOPPED]: () => void;
  [Event.DISCONNECTED]: () => void;
  [Event.FLAGS_LOADED]: (evaluations: Evaluation[]) => void;
  [Event.CACHE_LOADED]: (evaluations: Evaluation[]) => void;
  [Event.CHANGED]: (flag: Evaluation) => void;
  [Event.ERROR]: (error: unknown) => void;
  [Event.ERROR_CACHE]: (error: unknown) => void;
  [Event.ERROR_AUTH]: (error: unknown) => void;
  [Event.ERROR_FETCH_FLAGS]: (error: unknown) => void;
  [Event.ERROR_FETCH_FLAG]: (error: unknown) => void;
  [Event.ERROR_STREAM]: (error: unknown) => void;
  [Event.ERROR_METRICS]: (error: unknown) => void;
  [Event.ERROR_DEFAULT_VARIATION_RETURNED]: (payload: DefaultVariationEventPayload) => void;
}

export type EventOnBinding = <K extends keyof EventCallbackMapping>(event: K, callback: EventCallbackMapping[K]) => void;
export type EventOffBinding = <K extends keyof EventCallbackMapping>(event?: K, callback?: EventCallbackMapping[K]) => void;

export interface VariationFn {
  (identifier: string, defaultValue: unknown, withDebug: true): VariationValueWithDebug;
  (identifier: string, defaultValue: unknown, withDebug?: false): VariationValue;
  (identifier: string, defaultValue: unknown, withDebug?: boolean): VariationValue | VariationValueWithDebug;
}

/** Changes a request before it is sent. */
export type APIRequestMiddleware = (request: Parameters<typeof fetch>) => Parameters<typeof fetch>;

export type { Logger };

/** A synchronous storage for values. */
export interface SyncStorage {
  getItem: (key: string) => string | null;
  setItem: (key: string, value: string) => void;
  removeItem: (key: string) => void;
}

/** An asynchronous storage for values. */
export interface AsyncStorage {
  getItem: (key: string) => Promise<string | null>;
  setItem: (key: string, value: string) => Promise<void>;
  removeItem: (key: string) => Promise<void>;
}

/** Options of the cache, which keeps values from one visit to the next. */
export interface CacheOptions extends Pick<CoreCacheOptions, "ttl" | "storage"> {
  /**
   * Whether values are cached separately for each combination of attributes: of all attributes, or of those named.
   * @default false
   */
  deriveKeyFromTargetAttributes?: boolean | readonly string[];
}

/** Options of {@link initialize}; they are documented at {@link CoreOptions}. */
export interface Options extends
  Pick<
    CoreOptions,
    | "baseUrl"
    | "eventUrl"
    | "eventsSyncInterval"
    | "pollingInterval"
    | "streamEnabled"
    | "pollingEnabled"
    | "authRequestReadTimeout"
    | "maxStreamRetries"
    | "enableAnalytics"
    | "debug"
    | "shareStream"
    | "pauseWhenHidden"
    | "wasm"
  > {
  cache?: boolean | CacheOptions;
  logger?: Logger;
}

/** A client. */
export interface Result {
  on: EventOnBinding;
  /** Removes listeners. Without arguments it closes the client. */
  off: EventOffBinding;
  variation: VariationFn;
  close: () => void;
  /** Stores evaluations that the page already has, in the next macrotask. */
  setEvaluations: (evaluations: Evaluation[]) => void;
  /** Sets a function that changes every request before it is sent. It replaces the one that was set before. */
  registerAPIRequestMiddleware: (middleware: APIRequestMiddleware) => void;
  /** Fetches all evaluations, at most once a minute. */
  refreshEvaluations: () => void;
}

/** Creates a client, which connects by itself. */
export const initialize = (apiKey: string, target: Target, options: Options = {}): Result => {
  const client = new HarnessClient(apiKey, target, options);
  return {
    on: (event, callback) => client.on(event, callback as Listener),
    off: (event, callback) => client.off(event, callback as Listener | undefined),
    variation: ((flag: string, defaultValue: Json, withDebug = false) => client.variation(flag, defaultValue, withDebug)) as VariationFn,
    close: () => client.close(),
    setEvaluations: (evaluations) => client.setEvaluations(evaluations),
    registerAPIRequestMiddleware: (middleware) => client.core.registerAPIRequestMiddleware(middleware as never),
    refreshEvaluations: () => client.refreshEvaluations(),
  };
};

type Listener = (payload: unknown) => void;

interface Slot {
  value: unknown;
  /** The time of the last read that was counted, by flag. */
  counted: number;
}

class HarnessClient {
  readonly core: CoreClient;
  readonly #logger: Logger;
  #listeners = new Map<string, Listener[]>();
  #slots = new Map<string, Slot>();
  /** The values that were present before a listener could be added, for which no listener was called. */
  #untold: CoreEvaluation[];
  #ready = false;
  #closed = false;
  /** Whether the server has answered, without which there is nothing to refresh. */
  #initialised = false;
  /** Whether the first fetch has failed and `error` was not emitted yet. */
  #fetchFailed = false;
  /** The events of the stream and of polling before that, held back because listeners expect them after it. */
  #held: [event: EventName, payload: unknown][] = [];
  #refreshed = 0;
  readonly #streaming: boolean;
  #polling = false;

  constructor(apiKey: string, target: Target, options: Options) {
    const streaming = (this.#streaming = options.streamEnabled ?? true);
    this.#logger = options.logger ?? console;
    const cache = typeof options.cache === "object" ? options.cache : {};
    this.core = start(apiKey, target as never, {
      ...options,
      cache: options.cache && { ...cache, key: (target) => place(apiKey, target.identifier, target.attributes ?? {}, cache.deriveKeyFromTargetAttributes) },
      // The published SDK posts to this URL whatever the base URL is.
      eventUrl: options.eventUrl ?? EVENT_URL,
      pollingEnabled: options.pollingEnabled ?? streaming,
      // A native EventSource would bypass the middleware.
      streamTransport: "fetch",
    });
    this.#untold = this.core.evaluations();
    for (const evaluation of this.#untold) this.#hold(evaluation.flag, evaluation.kind, valueOf(evaluation));
    for (const event of Object.values(CoreEvent)) {
      if (event !== CoreEvent.STATE && event !== CoreEvent.ERROR_DEFAULT_VARIATION_RETURNED) this.core.on(event, (payload) => this.#heard(event, payload));
    }
  }

  on(event: string, listener: Listener): void {
    const list = this.#listeners.get(event);
    if (list) list.push(listener);
    else this.#listeners.set(event, [listener]);
  }

  off(event?: string, listener?: Listener): void {
    if (event === undefined) return this.close();
    const list = listener && this.#listeners.get(event);
    if (list) this.#listeners.set(event, list.filter((_, index) => index !== list.indexOf(listener)));
    else this.#listeners.delete(event);
  }

  variation(flag: string, defaultValue: unknown, withDebug: boolean): unknown {
    const slot = this.#slots.get(flag);
    const value = slot ? slot.value : defaultValue;
    if (slot) this.#count(flag, slot);
    else this.#emit(Event.ERROR_DEFAULT_VARIATION_RETURNED, { flag, defaultVariation: defaultValue });
    return withDebug ? { value, isDefaultValue: !slot } : value;
  }

  setEvaluations(evaluations: readonly Evaluation[]): void {
    if (!Array.isArray(evaluations) || !evaluations.length) return;
    setTimeout(() => {
      if (this.#closed) return;
      // Values may be converted already, as listeners of `changed` receive them.
      const texts = (evaluations as readonly (Evaluation | null)[]).map((evaluation) => ({ ...(evaluation as Evaluation), value: textOf(evaluation?.value) }));
      this.core.setEvaluations(texts);
      this.#becomeReady();
    });
  }

  refreshEvaluations(): void {
    if (!this.#initialised || this.#closed || Date.now() - this.#refreshed < REFRESH_INTERVAL_MS) return;
    this.#refreshed = Date.now();
    this.core.refreshEvaluations();
  }

  close(): void {
    this.#closed = true;
    this.core.close();
    if (this.#polling) this.#emit(Event.POLLING_STOPPED);
    this.#slots.clear();
    if (this.#streaming) this.#listeners.clear();
  }

  /** Emits an event of the core in the order of the published SDK. */
  #heard(event: EventName, payload: unknown): void {
    switch (event) {
      case "changed":
        return this.#changed(payload as Evaluation);
      case "cache loaded":
        for (const evaluation of this.#untold) this.#emit(Event.CHANGED, { ...evaluation, value: this.#slots.get(evaluation.flag)?.value });
        this.#becomeReady();
        break;
      case "stopped":
        // The error belongs to the stream.
        if (!this.#streaming || !this.#initialised) return;
        break;
      case "flags loaded":
        payload = [...(payload as CoreEvaluation[])].sort((one, other) => (one.flag < other.flag ? -1 : 1));
        break;
      case "ready":
        return this.#initialise();
      case "connected":
      case "disconnected":
      case "polling":
      case "polling stopped":
      case "stream error":
        if (this.#initialised) break;
        this.#held.push([event, payload]);
        return;
      case "fetch flags error":
        this.#fetchFailed = true;
        break;
      case "error":
        // The specific event is emitted first, with the same error.
        if (this.#held.at(-1)?.[1] === payload) return void this.#held.push([event, payload]);
        this.#logger.error(`[FF-SDK] ${(payload as FlagwireError).message}`);
        this.#emit(event, payload);
        if (this.#fetchFailed) this.#initialise();
        return;
    }
    this.#emit(event, payload);
  }

  /** Handles the end of the first fetch, successful or not. */
  #initialise(): void {
    if (this.#initialised) return;
    this.#initialised = true;
    const held = this.#held;
    this.#held = [];
    // Without a stream, polling starts before `ready`.
    if (held.length === 1 && held[0]![0] === "polling") this.#emit(...held.pop()!);
    this.#becomeReady();
    for (const [event, payload] of held) this.#heard(event, payload);
  }

  #changed(change: Evaluation): void {
    const held = this.#slots.get(change.flag);
    if (change.deleted) this.#slots.delete(change.flag);
    else this.#hold(change.flag, change.kind, change.value);
    // These listeners expect no change if the server sends a cached value with a different variation.
    if (change.deleted || !held || held.value !== change.value) this.#emit(Event.CHANGED, change);
  }

  /** Returns whether a value can be read. Reads return the default for NaN and for a number that stayed text. */
  #hold(flag: string, kind: string, value: unknown): void {
    if (typeof value === "string" && /^(int|number)$/i.test(kind)) this.#slots.delete(flag);
    else this.#slots.set(flag, { value, counted: -Infinity });
  }

  #becomeReady(): void {
    this.#untold = [];
    if (this.#ready) return;
    this.#ready = true;
    this.#emit(Event.READY, record([...this.#slots].map(([flag, { value }]) => [flag, value])));
  }

  #count(flag: string, slot: Slot): void {
    const now = Date.now();
    if (now - slot.counted <= COUNT_INTERVAL_MS) return;
    slot.counted = now;
    this.core.variation(flag, undefined);
  }

  #emit(event: string, payload?: unknown): void {
    if (event === Event.POLLING || event === Event.POLLING_STOPPED) this.#polling = event === Event.POLLING;
    for (const listener of this.#listeners.get(event)?.slice() ?? []) {
      try {
        listener(payload);
      } catch (error) {
        this.#logger.error("[FF-SDK] a listener threw", error);
      }
    }
  }
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value);
  } catch {
    return String(value);
  }
}

/** Returns the storage key of the published SDK, so that visitors keep their cached values when a site changes over. */
function place(apiKey: string, identifier: string, attributes: { readonly [name: string]: unknown }, derive: CacheOptions["deriveKeyFromTargetAttributes"]): string {
  let chosen = "";
  if (derive) {
    const names = (derive === true ? Object.keys(attributes) : derive.filter((name) => Object.hasOwn(attributes, name))).sort();
    chosen = JSON.stringify(Object.fromEntries(names.map((name) => [name, attributes[name]])));
  }
  return "HARNESS_FF_CACHE_" + sha256(chosen + identifier + apiKey);
}
