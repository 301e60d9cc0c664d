// Names and payloads of events. The names are those of `@harnessio/ff-javascript-client-sdk`.

import type { FlagwireError } from "./failure";
import type { Change, Evaluation, Json, State } from "./types";

/** The events of a client. Those that are in `Emitted`, too, must be in the same order. */
export const Event = {
  /** The server's evaluations have arrived. It happens once. */
  READY: "ready",
  /** The stream is open. */
  CONNECTED: "connected",
  /** The stream is lost. It is reported once for each outage. */
  DISCONNECTED: "disconnected",
  /** The client was closed. Only the event of the last state comes after this. */
  STOPPED: "stopped",
  /** Polling has started. */
  POLLING: "polling",
  /** Polling has stopped. */
  POLLING_STOPPED: "polling stopped",
  /** All evaluations were fetched. */
  FLAGS_LOADED: "flags loaded",
  /** A flag's value or variation has changed. It also comes for each flag of the first fetch. */
  CHANGED: "changed",
  /** Values of an earlier visit were read from the cache. */
  CACHE_LOADED: "cache loaded",
  /** How far the values can be trusted has changed. */
  STATE: "state",
  /** Something failed. One of the next events, which comes just before this one, says what. */
  ERROR: "error",
  /** Signing in failed. Where `error.final` is set the client has stopped trying. */
  ERROR_AUTH: "auth error",
  /** Fetching all evaluations failed; it is tried again. */
  ERROR_FETCH_FLAGS: "fetch flags error",
  /** Fetching one evaluation failed; it is tried again. */
  ERROR_FETCH_FLAG: "fetch flag error",
  /** The stream was lost, or sent something unreadable. */
  ERROR_STREAM: "stream error",
  /** Posting metrics failed. It is not followed by `error`. */
  ERROR_METRICS: "metrics error",
  /** The cache could not be read or written. */
  ERROR_CACHE: "cache error",
  /** A read returned the default. */
  ERROR_DEFAULT_VARIATION_RETURNED: "default variation returned",
} as const;

/**
 * The place of the first error in {@link Event}. The others follow in the order of `ErrorKind`.
 *
 * @internal
 */
export const FIRST_ERROR = 11;

/** The name of an event. */
export type EventName = (typeof Event)[keyof typeof Event];

/** The argument that the listeners of each event get. */
export interface EventPayloads {
  ready: { readonly [flag: string]: Json };
  connected: undefined;
  disconnected: undefined;
  stopped: undefined;
  polling: undefined;
  "polling stopped": undefined;
  "flags loaded": readonly Evaluation[];
  changed: Change;
  "cache loaded": readonly Evaluation[];
  state: State;
  error: FlagwireError;
  "auth error": FlagwireError;
  "fetch flags error": FlagwireError;
  "fetch flag error": FlagwireError;
  "stream error": FlagwireError;
  "metrics error": FlagwireError;
  "cache error": FlagwireError;
  "default variation returned": { readonly flag: string; readonly defaultVariation: unknown };
}

/** Removes the listener for which it was returned. It may be called more than once. */
export type Unsubscribe = () => void;

type Listener = (payload: never) => void;

/** Lists of listeners by name. */
export class Listeners {
  readonly #lists = new Map<string, Set<Listener>>();
  readonly #report: (error: unknown) => void;

  /** @param report gets what a listener threw; the others are called all the same */
  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  add_(name: string, listener: Listener): Unsubscribe {
    let list = this.#lists.get(name);
    if (!list) this.#lists.set(name, list = new Set());
    list.add(listener);
    return () => this.remove_(name, listener);
  }

  /** Removes a listener; without one, all listeners of that name; without a name, all listeners. */
  remove_(name?: string, listener?: Listener): void {
    if (name === undefined) this.#lists.clear();
    else if (listener === undefined || (this.#lists.get(name)?.delete(listener) && !this.has_(name))) this.#lists.delete(name);
  }

  has_(name: string): boolean {
    return !!this.#lists.get(name)?.size;
  }

  /** Calls the listeners that are registered now. One that is added meanwhile is not called, and neither is one that is removed. */
  tell_(name: string, payload: unknown): void {
    for (const listener of [...(this.#lists.get(name) ?? [])]) {
      if (!this.#lists.get(name)?.has(listener)) continue;
      try {
        (listener as (payload: unknown) => void)(payload);
      } catch (error) {
        this.#report(error);
      }
    }
  }
}
