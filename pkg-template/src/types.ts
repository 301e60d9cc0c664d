// The public types. What is documented here is what editors show.

import type { Client } from "./client";

/** Any JSON value. Values of `json` flags are frozen. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The user or device that flags are evaluated for. */
export interface Target {
  /** Identifies the target. It must be unique and must not change. Harness accepts letters, digits and `.@_-`. */
  identifier: string;
  /**
   * A name for people to read.
   * @default the identifier
   */
  name?: string;
  /**
   * Whether you do not know who the target is. If all anonymous visitors share one identifier, they count as one target.
   * @default false
   */
  anonymous?: boolean;
  /**
   * The attributes that rules compare, e.g. `{ plan: "gold", beta: true }`. Values may be any JSON; a BigInt is sent as text. The client
   * copies them when you pass them, so that later changes have no effect. Functions, symbols and circular objects are refused.
   */
  attributes?: Record<string, unknown>;
}

/** The result of one flag for one target, as the server sends it. */
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

/** The change that a listener is called with. `V` is the type of the flag's values. */
export interface Change<V = Json> {
  /** Identifier of the flag. */
  readonly flag: string;
  /** The new value: a boolean, a number, text, or parsed and frozen JSON. It is `undefined` if the flag was deleted. */
  readonly value: V | undefined;
  /** Identifier of the variation; missing if the flag was deleted. */
  readonly identifier?: string;
  /** Kind of the flag; missing if the flag was deleted. */
  readonly kind?: string;
  /** `true` if the flag was deleted. */
  readonly deleted?: true;
}

/** The status of a client, which says how current its values are. */
export type Status =
  /** There are no values yet, and every read returns its default. */
  | "initializing"
  /** The values are from an earlier visit or from `bootstrap`; the server has not answered yet. */
  | "cached"
  /** The values are the server's, and changes arrive as the options ask: by the stream, or by polling. */
  | "ready"
  /** The values are the server's last answer, but may be out of date; the reason says why. */
  | "stale"
  /** The client was closed. */
  | "closed";

/** The reason for a status; missing if nothing is wrong. */
export type Reason =
  /** Signing in fails: the server answered with a temporary error, or refused a token, which the client is replacing. */
  | "auth"
  /** Fetching evaluations fails: the server answered with an error. */
  | "fetch"
  /** The stream could not be opened, was lost, or was given up after too many attempts. The client polls meanwhile. */
  | "stream"
  /** The page is hidden, and the client has closed its stream. */
  | "hidden"
  /** The target was switched, and its evaluations have not arrived yet. */
  | "target"
  /** The server refused the key or the target. The client tries again only with another target. */
  | "refused"
  /** A sign-in or a fetch of evaluations got no answer in time; the client tries again. */
  | "unreachable"
  /** There was an internal error; the client restarts itself once. */
  | "internal";

/** The state of a client: its status, the time since when it has that status, and the reason. */
export interface State {
  readonly status: Status;
  /** The time at which the status began, in milliseconds since the Unix epoch. */
  readonly since: number;
  readonly reason?: Reason;
}

/** The reason for the value that a read returned. */
export type VariationReason =
  /** The value is the server's evaluation. */
  | "evaluated"
  /** The value was set in this browser, by an override. */
  | "override"
  /** The default was returned: there is no such flag, or it has not arrived yet. */
  | "not-found"
  /** The default was returned: the flag's value has another type than the default. */
  | "wrong-type";

/** The result of a read, with its reason. */
export interface Variation<T> {
  /** The value of the flag, or the default. */
  readonly value: T;
  /** Identifier of the variation; missing where the default was returned. */
  readonly variation?: string;
  readonly reason: VariationReason;
  /** `true` if the default was returned. */
  readonly isDefaultValue: boolean;
}

/** The type of a read with a given default: with `true` it is any boolean. */
export type Widen<T> = T extends boolean ? boolean : T extends number ? number : T extends string ? string : T;

/** A storage for the cache. `localStorage` fits, and so do asynchronous storages such as React Native's. */
export interface CacheStorage {
  getItem(key: string): string | null | undefined | Promise<string | null | undefined>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
}

/** Options of the cache, which keeps values from one visit to the next. */
export interface CacheOptions {
  /**
   * The age in milliseconds after which cached values are discarded.
   * @default no limit
   */
  ttl?: number;
  /**
   * The storage that keeps the values.
   * @default localStorage, else sessionStorage, else none
   */
  storage?: CacheStorage;
  /**
   * Returns the storage key for a target, for instance one that depends on its attributes too.
   * @default "flagwire-" and a hash of the base URL, the API key and the target's identifier
   */
  key?: (target: Target) => string;
}

/** Overrides of flags, which `localOverrides()` of `flagwire/overrides` makes. One object may serve several clients. */
export interface Overrides {
  /** @internal Puts a view over the values of a new client, and gives the client its methods. */
  attach_(client: Client): void;
}

/** How long an override lasts. */
export interface OverrideDuration {
  /**
   * `kept`: as long as the storage of `localOverrides` keeps it. `tab`: for this tab only, above an override that is kept.
   * @default "kept"
   */
  lasts?: "kept" | "tab";
}

/** The values of overridden flags, by name. */
export type OverrideValues = { readonly [flag: string]: Json };

/** The logger that receives messages. */
export interface Logger {
  debug(...data: unknown[]): void;
  info(...data: unknown[]): void;
  warn(...data: unknown[]): void;
  error(...data: unknown[]): void;
}

/** Changes a request before it is sent. It takes and returns the arguments of `fetch`, and must not be asynchronous. */
export type APIRequestMiddleware = (request: [url: string, init: RequestInit]) => [url: string, init: RequestInit];

/** The options of {@link initialize}. All are optional. */
export interface Options {
  /**
   * The base URL for sign-in, evaluations and the stream.
   * @default "https://config.ff.harness.io/api/1.0"
   */
  baseUrl?: string | URL;
  /**
   * The base URL that metrics are posted to.
   * @default `baseUrl` where that is given, else "https://events.ff.harness.io/api/1.0"
   */
  eventUrl?: string | URL;
  /**
   * The kind of the server at `baseUrl`. With `"flagwire"`, pages of another origin sign in without a CORS preflight, which saves one
   * round trip at each start. If the server refuses that, the client signs in as without this option.
   * @default any server of the protocol
   */
  server?: "flagwire";
  /**
   * Whether to keep a stream open, by which changes arrive at once.
   * @default true
   */
  streamEnabled?: boolean;
  /**
   * The way to open the stream: by a native `EventSource` if the server offers that, or by `fetch`.
   * @default "auto"
   */
  streamTransport?: "auto" | "eventsource" | "fetch";
  /**
   * The number of failed attempts in a row after which the client gives the stream up and polls instead.
   * @default Infinity
   */
  maxStreamRetries?: number;
  /**
   * Whether to poll when streaming is off, and while the stream is down.
   * @default true
   */
  pollingEnabled?: boolean;
  /**
   * Milliseconds between polls, at least 60000.
   * @default 60000
   */
  pollingInterval?: number;
  /**
   * Whether to count reads and post the counts.
   * @default true
   */
  enableAnalytics?: boolean;
  /**
   * Milliseconds between posts, at least 60000.
   * @default 60000
   */
  eventsSyncInterval?: number;
  /**
   * The time limit for signing in, in milliseconds. After it the client tries again.
   * @default 30000
   */
  authRequestReadTimeout?: number;
  /**
   * Whether to keep values from one visit to the next, and how.
   * @default false
   */
  cache?: boolean | CacheOptions;
  /** Evaluations to start with, for example from the server that rendered the page; see `flagwire/server`. They replace cached ones. */
  bootstrap?: readonly Evaluation[];
  /**
   * What lets developers override flags in their own browser: `localOverrides()` of `flagwire/overrides`. Leave it out in production.
   * @default none
   */
  overrides?: Overrides;
  /**
   * The time in milliseconds after which the client closes the stream of a hidden page. It opens it again when the page is visible.
   * @default never
   */
  pauseWhenHidden?: number;
  /**
   * Whether to share one stream among all tabs of this origin with the same key and target.
   * @default true
   */
  shareStream?: boolean;
  /**
   * Whether to log what the client does, in addition to errors.
   * @default false
   */
  debug?: boolean;
  /**
   * The logger that receives messages.
   * @default console
   */
  logger?: Logger;
  /**
   * The URL of the WebAssembly file, or the compiled module, for tools that cannot find the file.
   * @default the file next to this script
   */
  wasm?: string | URL | WebAssembly.Module;
}
