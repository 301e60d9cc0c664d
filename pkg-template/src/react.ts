"use client"; // Next renders what imports this in the browser as well.

/**
 * Flags in React 18 and 19.
 *
 * ```tsx
 * <FlagwireProvider apiKey="…" target={{ identifier: "user-42" }}>
 *   <App />
 * </FlagwireProvider>
 *
 * const dark = useFlag("dark-mode", false); // renders again when this flag changes, and for no other
 * ```
 *
 * @packageDocumentation
 */

import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import { initialize, valueOf } from "./index";
import type { Client } from "./client";
import type { FlagDefault, FlagName, FlagValue } from "./flags";
import { record } from "./record";
import type { Evaluation, Json, Options, State, Target, Variation } from "./types";

/** A client made while rendering is closed after so many milliseconds, should React never commit what was rendered. */
const UNCLAIMED_MS = 60_000;

/** What {@link FlagwireProvider} takes: what a client is made of, or a client. */
export type FlagwireProviderProps = { children?: ReactNode } & (
  | {
      /** A client key of the environment. Another one makes another client. */
      apiKey: string;
      /** Who flags are served to. Another one is switched to without a new client. */
      target: Target;
      /** Read when the client is made. For values while rendering on a server, and while hydrating, give `bootstrap`. */
      options?: Options;
      client?: undefined;
    }
  | {
      /** A client made elsewhere. It is not closed by the provider. */
      client: Client;
      apiKey?: undefined;
      target?: undefined;
      options?: undefined;
    }
);

/** How a hook reads. */
export interface ReadOptions {
  /**
   * Suspend until the server's evaluations are there, or are known not to come.
   * @default false
   */
  suspense?: boolean;
}

/** A client on its way through React's rendering. */
interface Held {
  /** Missing on a server: nothing is fetched while rendering there. */
  readonly client: Client | undefined;
  readonly bootstrap: readonly Evaluation[];
  /** What it was made of; missing for a client made elsewhere, which is not closed here. */
  readonly origin?: string;
  /** How many effects hold it. */
  users: number;
  closed?: boolean;
  timer?: ReturnType<typeof setTimeout>;
}

/** Clients that were made while rendering and are not committed yet: React may render several times before it commits. */
const unclaimed = new Map<string, Held>();
const Context = createContext<Held | undefined>(undefined);
/** States without a client: the same on the server as in the page, where React compares what both rendered. */
const NOWHERE: State = { status: "initializing", since: 0 };
const BOOTSTRAPPED: State = { status: "cached", since: 0 };

/** Gives a client to the components inside. Safe in StrictMode: one client is made, and closed after the provider has gone. */
export function FlagwireProvider(props: FlagwireProviderProps): ReactNode {
  const { apiKey, target, options, client, children } = props;
  // Another key or server is another client; another target is not.
  const origin = client ? undefined : JSON.stringify([apiKey, options?.baseUrl]);
  const identity = JSON.stringify(target);
  // useId would give another one at each attempt to render.
  const key = origin + identity;
  const create = () => (client ? given(client) : make(key, origin!, apiKey!, target!, options));
  // State alone would not do: what suspends before the first commit is thrown away with its state.
  const [held, setHeld] = useState(create);

  const stale = held.origin !== origin || (client !== undefined && held.client !== client);
  useEffect(() => {
    // A part of the page that was hidden and is shown again has its effects again, and its state still.
    if (stale || held.closed) setHeld(create());
    else return claim(held, key);
  }, [stale, held]);

  const [current, setCurrent] = useState(identity);
  useEffect(() => {
    if (current === identity) return;
    setCurrent(identity);
    // Should the switch fail, the state and the events of the client say so.
    if (target && !stale) held.client?.identify(target).catch(() => {});
  }, [identity]);

  return createElement(Context.Provider, { value: held }, children);
}

/**
 * The value of a flag, or `defaultValue` where there is no such flag, none yet, or its value is of another type. Renders
 * again when that flag changes, and for no other.
 */
export function useFlag<T extends FlagDefault<N>, N extends FlagName = FlagName>(flag: N, defaultValue: T, options?: ReadOptions): FlagValue<N, T> {
  return useFlagDetail<T, N>(flag, defaultValue, options).value;
}

/** Like {@link useFlag}, and says where the value is from. */
export function useFlagDetail<T extends FlagDefault<N>, N extends FlagName = FlagName>(
  flag: N,
  defaultValue: T,
  { suspense = false }: ReadOptions = {},
): Variation<FlagValue<N, T>> {
  const held = useHeld();
  const { client } = held;
  if (suspense && client) suspend(client);
  const type = typeof defaultValue;
  const store = useMemo(() => {
    // Read once for each change, and not for each render: reads are counted.
    let detail: Variation<unknown> | undefined;
    let seen = 0;
    return {
      subscribe(changed: () => void) {
        if (!client) return () => {};
        // It may have changed after it was rendered.
        if (seen !== changesOf(client).n) detail = undefined;
        return client.onFlag(flag, () => {
          detail = undefined;
          changed();
        });
      },
      read: () => {
        if (detail) return detail;
        if (client) seen = changesOf(client).n;
        return (detail = client ? client.variationDetail(flag, defaultValue as never) : preset(held.bootstrap, flag, defaultValue));
      },
    };
  }, [held, client, flag, type]);
  const rendered = useMemo(() => preset(held.bootstrap, flag, defaultValue), [held, flag, type]);
  const detail = useSyncExternalStore(store.subscribe, store.read, () => rendered);
  // Defaults may be written in place, as objects, and are others at each render.
  return (detail.isDefaultValue ? { ...detail, value: defaultValue } : detail) as Variation<FlagValue<N, T>>;
}

/** The values of all flags. Renders again when any of them changes; counts no reads. */
export function useFlags(): { readonly [flag: string]: Json } {
  const held = useHeld();
  const { client } = held;
  const rendered = useMemo(() => record(held.bootstrap.map((evaluation) => [evaluation.flag, valueOf(evaluation)])), [held]);
  const store = useMemo(() => {
    let flags: { readonly [flag: string]: Json } | undefined;
    return {
      subscribe(changed: () => void) {
        // Thousands of changes may arrive at once.
        const forget = () => {
          if (!flags) return;
          flags = undefined;
          queueMicrotask(changed);
        };
        return client?.on("changed", forget) ?? (() => {});
      },
      read: () => (flags ??= client?.flags() ?? rendered),
    };
  }, [client, rendered]);
  return useSyncExternalStore(store.subscribe, store.read, () => rendered);
}

/** The client, for what the hooks do not offer; `undefined` while rendering on a server and while hydrating what it rendered. */
export function useFlagwireClient(): Client | undefined {
  const { client } = useHeld();
  return useSyncExternalStore(neverChanges, () => client, nothing);
}

/**
 * How far the values can be trusted, since when and why. While rendering on a server, and while hydrating, `cached` where
 * there are `bootstrap` values and `initializing` where there are none.
 */
export function useFlagwireState(): State {
  const { client, bootstrap } = useHeld();
  const subscribe = useCallback((changed: () => void) => client?.on("state", changed) ?? (() => {}), [client]);
  const rendered = bootstrap.length ? BOOTSTRAPPED : NOWHERE;
  return useSyncExternalStore(subscribe, () => client?.state() ?? rendered, () => rendered);
}

const neverChanges = () => () => {};
const nothing = () => undefined;

function useHeld(): Held {
  const held = useContext(Context);
  if (!held) throw new Error("Flagwire: there is no <FlagwireProvider> around this component");
  return held;
}

function given(client: Client): Held {
  return { client, bootstrap: client.evaluations(), users: 0 };
}

function make(key: string, origin: string, apiKey: string, target: Target, options: Options | undefined): Held {
  const bootstrap = options?.bootstrap ?? [];
  if (typeof window === "undefined") return { client: undefined, bootstrap, origin, users: 0 };
  let held = unclaimed.get(key);
  if (!held) {
    held = { client: initialize(apiKey, target, options), bootstrap, origin, users: 0 };
    unclaimed.set(key, held);
    release(held, key, UNCLAIMED_MS);
  }
  return held;
}

const changes = new WeakMap<Client, { n: number }>();

/** How many changes there were in the life of a client. */
function changesOf(client: Client): { n: number } {
  let count = changes.get(client);
  if (!count) {
    const made = (count = { n: 0 });
    changes.set(client, made);
    client.on("changed", () => made.n++);
  }
  return count;
}

/** Holds a client until the returned function is called. */
function claim(held: Held, key: string): () => void {
  if (held.origin === undefined) return () => {};
  held.users++;
  clearTimeout(held.timer);
  unclaimed.delete(key);
  return () => {
    // StrictMode, and a fast refresh, take effects back and run them again at once.
    if (--held.users === 0) release(held, key, 0);
  };
}

function release(held: Held, key: string, delayMs: number): void {
  held.timer = setTimeout(() => {
    if (unclaimed.get(key) === held) unclaimed.delete(key);
    held.closed = true;
    held.client?.close();
  }, delayMs);
}

/** What a client's evaluations at the start make of a read. */
function preset(bootstrap: readonly Evaluation[], flag: string, defaultValue: unknown): Variation<unknown> {
  const evaluation = bootstrap.find((evaluation) => evaluation.flag === flag);
  if (!evaluation) return { value: defaultValue, reason: "not-found", isDefaultValue: true };
  const value = valueOf(evaluation);
  if (defaultValue != null && typeof value !== typeof defaultValue) return { value: defaultValue, reason: "wrong-type", isDefaultValue: true };
  return { value, variation: evaluation.identifier, reason: "evaluated", isDefaultValue: false };
}

/** What is thrown to React: the same promise until it is settled. */
const waiting = new WeakMap<Client, { promise: Promise<void>; over: boolean }>();

function suspend(client: Client): void {
  let wait = waiting.get(client);
  if (!wait) {
    const over = () => void (made.over = true);
    const made = { promise: client.ready().then(over, over), over: client.state().status === "ready" };
    waiting.set(client, (wait = made));
  }
  if (!wait.over) throw wait.promise;
}
