// The public types. What is documented here is what editors show.

/** Any JSON value. Values of `json` flags are frozen. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Who flags are served to: a user or a device. */
export interface Target {
  /** Unique and stable. Harness accepts letters, digits and `.@_-`. */
  identifier: string;
  /** For people to read; the identifier where it is missing. */
  name?: string;
  /** Whether the target is unknown to you. Give all anonymous visitors one identifier, and they count as one. */
  anonymous?: boolean;
  /**
   * What rules look at, e.g. `{ plan: "gold", beta: true }`. Values may be any JSON; a BigInt is sent as text. Copied when passed, so
   * later changes make no difference. Functions, symbols and what refers to itself are refused.
   */
  attributes?: Record<string, unknown>;
}

/** A flag's result for one target, as servers send it. */
export interface Evaluation {
  /** Identifier of the flag. */
  flag: string;
  /** Identifier of the variation. */
  identifier: string;
  /** The value as text, whatever its kind. */
  value: string;
  /** How to read the value: `boolean`, `int`, `string` or `json`. */
  kind: string;
}

/** What listeners of changes get. `V` is the type of the flag's values. */
export interface Change<V = Json> {
  /** Identifier of the flag. */
  readonly flag: string;
  /** The new value, converted: boolean, number, text, or parsed and frozen JSON; `undefined` where the flag is gone. */
  readonly value: V | undefined;
  /** Identifier of the variation; missing where the flag is gone. */
  readonly identifier?: string;
  /** Kind of the flag; missing where the flag is gone. */
  readonly kind?: string;
  /** The flag is gone. */
  readonly deleted?: true;
}

/** How far the values can be trusted. */
export type Status =
  /** No values yet: defaults are served. */
  | "initializing"
  /** Values of an earlier visit or given by the page; the server has not been heard yet. */
  | "cached"
  /** What the server said last, and nothing is known to be wrong: changes are heard of in the way that the options ask for. */
  | "ready"
  /** What the server said last, but it may have changed since: the reason says what is wrong. */
  | "stale"
  /** Closed. */
  | "closed";

/** Why the status is what it is; missing where nothing is wrong. */
export type Reason =
  /** Signing in fails: the server answered with an error that may pass, or refused a token that is being replaced. */
  | "auth"
  /** Fetching evaluations fails: the server answered with an error. */
  | "fetch"
  /** There is to be a stream, and the last attempt at it failed, or it was lost, or it was given up. Flags are polled. */
  | "stream"
  /** The page is hidden, and its stream was closed. */
  | "hidden"
  /** The target was switched, and its evaluations have not come yet. */
  | "target"
  /** The server refused the key or the target. Nothing is tried any more but with another target. */
  | "refused"
  /** Signing in or fetching evaluations got no answer, or none in time; it is tried again. */
  | "unreachable"
  /** There was an internal error; the client starts again, once. */
  | "internal";

/** How far the values can be trusted, since when and why. */
export interface State {
  readonly status: Status;
  /** When it became so: milliseconds since the Unix epoch. */
  readonly since: number;
  readonly reason?: Reason;
}

/** Why a read gave what it gave. */
export type VariationReason =
  /** The server's evaluation. */
  | "evaluated"
  /** No such flag, or none yet. */
  | "not-found"
  /** The flag's value is of another type than the default. */
  | "wrong-type";

/** A read, explained. */
export interface Variation<T> {
  /** The flag's value, or the default. */
  readonly value: T;
  /** Identifier of the variation; missing where the default was returned. */
  readonly variation?: string;
  readonly reason: VariationReason;
  /** Whether the default was returned. */
  readonly isDefaultValue: boolean;
}

/** The type a read has, given its default: `true` means any boolean. */
export type Widen<T> = T extends boolean ? boolean : T extends number ? number : T extends string ? string : T;

/** Where the cache is kept. `localStorage` fits; so do React Native's and other asynchronous storages. */
export interface CacheStorage {
  getItem(key: string): string | null | undefined | Promise<string | null | undefined>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
}

/** How values are kept from one visit to the next. */
export interface CacheOptions {
  /**
   * Milliseconds after which what was kept is thrown away.
   * @default for ever
   */
  ttl?: number;
  /** @default localStorage, else sessionStorage, else nowhere */
  storage?: CacheStorage;
  /**
   * Names the place of a target's values, for instance where its attributes count as well.
   * @default "flagwire-" and a hash of the base URL, the API key and the target's identifier
   */
  key?: (target: Target) => string;
}

/** Where messages go. */
export interface Logger {
  debug(...data: unknown[]): void;
  info(...data: unknown[]): void;
  warn(...data: unknown[]): void;
  error(...data: unknown[]): void;
}

/** Changes a request before it is sent: takes and returns what `fetch` takes. Must not be asynchronous. */
export type APIRequestMiddleware = (request: [url: string, init: RequestInit]) => [url: string, init: RequestInit];

/** The options of {@link initialize}; all may be left out. */
export interface Options {
  /**
   * Where sign-in, evaluations and the stream are.
   * @default "https://config.ff.harness.io/api/1.0"
   */
  baseUrl?: string | URL;
  /**
   * Where metrics are posted.
   * @default `baseUrl` where that is given, else "https://events.ff.harness.io/api/1.0"
   */
  eventUrl?: string | URL;
  /**
   * Keep a stream open, so that changes arrive at once.
   * @default true
   */
  streamEnabled?: boolean;
  /**
   * How the stream is opened: by a native `EventSource` where the server offers that, or by `fetch`.
   * @default "auto"
   */
  streamTransport?: "auto" | "eventsource" | "fetch";
  /**
   * Failed attempts in a row after which the stream is given up and polling takes its place.
   * @default Infinity
   */
  maxStreamRetries?: number;
  /**
   * Poll when streaming is off, or while the stream is down.
   * @default true
   */
  pollingEnabled?: boolean;
  /**
   * Milliseconds between polls, at least 60000.
   * @default 60000
   */
  pollingInterval?: number;
  /**
   * Count reads and post the counts.
   * @default true
   */
  enableAnalytics?: boolean;
  /**
   * Milliseconds between posts, at least 60000.
   * @default 60000
   */
  eventsSyncInterval?: number;
  /**
   * Milliseconds that signing in may take before it is tried again.
   * @default 30000
   */
  authRequestReadTimeout?: number;
  /**
   * Keep values from one visit to the next.
   * @default false
   */
  cache?: boolean | CacheOptions;
  /** Evaluations to start with, e.g. of the server that rendered the page: see `flagwire/server`. They win over cached ones. */
  bootstrap?: readonly Evaluation[];
  /**
   * Milliseconds after which the stream of a hidden page is closed, until the page is looked at again.
   * @default never
   */
  pauseWhenHidden?: number;
  /**
   * Share one stream among the tabs of this origin that have the same key and target.
   * @default true
   */
  shareStream?: boolean;
  /**
   * Log what is going on, and not errors alone.
   * @default false
   */
  debug?: boolean;
  /** @default console */
  logger?: Logger;
  /**
   * Where the WebAssembly file is, or the compiled module, for tools that cannot find it by themselves.
   * @default the file beside this script
   */
  wasm?: string | URL | WebAssembly.Module;
}
