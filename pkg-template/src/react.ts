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
import type { Client } from "./client";
import type { FlagDefault, FlagName, FlagValue, FlagValues } from "./flags";
import { claim, given, identityOf, make, switchTarget, type Held } from "./held";
import { preset, presetFlags, presetState } from "./preset";
import type { Json, Options, State, Target, Variation } from "./types";
import { hasValues, haveValues, limitOf, within } from "./waiting";

const SUSPENSE_TIMEOUT_MS = 3_000;
/** Milliseconds; shorter than the time after which an uncommitted client is closed. */
const MAX_SUSPENSE_TIMEOUT_MS = 30_000;

/** The props of {@link FlagwireProvider}: either those from which it creates a client, or a client. */
export type FlagwireProviderProps =
  & { children?: ReactNode }
  & (
    | {
      /** A client key of the environment. A different key creates a new client. */
      apiKey: string;
      /**
       * The user or device that flags are evaluated for. The client switches to a different target and keeps the previous values until the
       * new ones arrive; if the `identifier` differs, for 5 seconds at most.
       */
      target: Target;
      /** Options, which are read when the client is created. Pass `bootstrap` to have values while rendering on a server and hydrating. */
      options?: Options;
      client?: undefined;
    }
    | {
      /** A client that was created elsewhere. The provider does not close it. */
      client: Client;
      apiKey?: undefined;
      target?: undefined;
      options?: undefined;
    }
  );

/** Options of a hook that reads a flag. */
export interface ReadOptions {
  /**
   * Whether to suspend while there are no values. The component renders as soon as values arrive, are known not to arrive, or
   * `suspenseTimeoutMs` has passed. Values from `bootstrap`, the cache or the server are rendered at once. A component that rendered
   * a default renders again when its flag's value arrives. On a page that a server rendered nothing suspends, so that no content
   * disappears.
   * @default false
   */
  suspense?: boolean;
  /**
   * The time in milliseconds after which a suspended component renders the default, at most 30000. Components of one client with the
   * same limit wait together, so that a client's page waits for that time only once.
   * @default 3000
   */
  suspenseTimeoutMs?: number;
}

const Context = createContext<Held | undefined>(undefined);

/**
 * Provides a client to the components inside. It is safe in StrictMode: it creates one client, and closes it after the provider was
 * unmounted. It never throws while rendering: if the key or the target is missing or wrong, it logs that and renders defaults until
 * they are right.
 */
export function FlagwireProvider(props: FlagwireProviderProps): ReactNode {
  const { apiKey, target, options, client, children } = props;
  // A different key or server needs a new client; a different target does not.
  const origin = client ? undefined : JSON.stringify([apiKey, options?.baseUrl]);
  const identity = identityOf(target);
  // useId would return a different one at each attempt to render.
  const key = origin + identity;
  const [first] = useState({ identity, bootstrap: options?.bootstrap });
  const create = () => {
    if (client) return given(client);
    // A page's values for one target must not be shown to another.
    const another = identity !== first.identity && options?.bootstrap === first.bootstrap;
    return make(key, origin!, apiKey!, target!, another ? { ...options, bootstrap: [] } : options);
  };
  // State is not enough: React discards the state of a component that suspends before the first commit.
  const [held, setHeld] = useState(create);
  const hydrating = useSyncExternalStore(neverChanges, no, yes);
  if (hydrating && held.client) neverSuspend.add(held.client);

  const stale = held.origin !== origin || (client !== undefined && held.client !== client);
  useEffect(() => {
    // If a part of the page is hidden and shown again, its effects run again while its state was kept.
    if (stale || held.closed) setHeld(create());
    else return claim(held, key);
  }, [stale, held]);

  const [current, setCurrent] = useState(identity);
  useEffect(() => {
    if (current === identity) return;
    setCurrent(identity);
    if (client || stale) return;
    let over = false;
    void switchTarget(held, target!).then((switched) => {
      if (switched || over) return;
      const next = create();
      // Content that is shown must not disappear.
      if (held.client && next.client && target) neverSuspend.add(next.client);
      setHeld(next);
    });
    return () => void (over = true);
  }, [identity]);

  return createElement(Context.Provider, { value: held }, children);
}

/**
 * Returns the value of a flag. Returns `defaultValue` if there is no such flag, if it has not arrived yet, or if its value has another
 * type. The component renders again when that flag changes, and for no other flag.
 */
export function useFlag<T extends FlagDefault<N>, N extends FlagName = FlagName>(flag: N, defaultValue: T, options?: ReadOptions): FlagValue<N, T> {
  return useFlagDetail<T, N>(flag, defaultValue, options).value;
}

/** Returns the value as {@link useFlag} does, with its reason. */
export function useFlagDetail<T extends FlagDefault<N>, N extends FlagName = FlagName>(
  flag: N,
  defaultValue: T,
  { suspense = false, suspenseTimeoutMs }: ReadOptions = {},
): Variation<FlagValue<N, T>> {
  const held = useHeld();
  const { client } = held;
  if (suspense && client) suspend(client, Math.min(limitOf(suspenseTimeoutMs, SUSPENSE_TIMEOUT_MS), MAX_SUSPENSE_TIMEOUT_MS));
  const type = typeof defaultValue;
  const store = useMemo(() => {
    // The flag is read once for each change and not for each render, because reads are counted.
    let detail: Variation<unknown> | undefined;
    let seen = 0;
    return {
      subscribe(changed: () => void) {
        if (!client) return () => {};
        // The flag may have changed after it was rendered.
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
  // A default may be an object literal in the call, which is a new object at each render.
  return (detail.isDefaultValue ? { ...detail, value: defaultValue } : detail) as Variation<FlagValue<N, T>>;
}

/** Returns the values of all flags. The component renders again when any of them changes. No reads are counted. */
export function useFlags(): FlagValues {
  const held = useHeld();
  const { client } = held;
  const rendered = useMemo(() => presetFlags(held.bootstrap), [held]);
  const store = useMemo(() => {
    let flags: { readonly [flag: string]: Json } | undefined;
    return {
      subscribe(changed: () => void) {
        // Thousands of changes may arrive together; the component renders once for them.
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

/** Returns the client, for whatever the hooks do not offer. Returns `undefined` while rendering on a server and while hydrating. */
export function useFlagwireClient(): Client | undefined {
  const { client } = useHeld();
  return useSyncExternalStore(neverChanges, () => client, nothing);
}

/**
 * Returns the state of the client: its status, since when, and why. While rendering on a server and while hydrating, the status is
 * `cached` if there are `bootstrap` values, else `initializing`.
 */
export function useFlagwireState(): State {
  const { client, bootstrap } = useHeld();
  const subscribe = useCallback((changed: () => void) => client?.on("state", changed) ?? (() => {}), [client]);
  const rendered = presetState(bootstrap);
  return useSyncExternalStore(subscribe, () => client?.state() ?? rendered, () => rendered);
}

// These are for useSyncExternalStore, which uses the last one on a server and while hydrating.
const neverChanges = () => () => {};
const nothing = () => undefined;
const no = () => false;
const yes = () => true;

function useHeld(): Held {
  const held = useContext(Context);
  if (!held) throw new Error("Flagwire: there is no <FlagwireProvider> around this component");
  return held;
}

const changes = new WeakMap<Client, { n: number }>();

/** Counts the changes of each client. */
function changesOf(client: Client): { n: number } {
  let count = changes.get(client);
  if (!count) {
    const made = (count = { n: 0 });
    changes.set(client, made);
    client.on("changed", () => made.n++);
  }
  return count;
}

/** The clients of pages that a server rendered, and clients that replace one whose values are on the page. */
const neverSuspend = new WeakSet<Client>();
/** The promises that are thrown to React, by client and limit: all components share one until it settles. */
const waits = new WeakMap<Client, Map<number, { readonly promise: Promise<void>; over: boolean }>>();

/** Suspends the component by throwing a promise, while there are no values and the limit has not passed. */
function suspend(client: Client, limitMs: number): void {
  // Suspending would remove what the server rendered from the page.
  if (hasValues(client) || neverSuspend.has(client)) return;
  let byLimit = waits.get(client);
  if (!byLimit) waits.set(client, byLimit = new Map());
  let wait = byLimit.get(limitMs);
  if (!wait) {
    const over = () => void (made.over = true);
    const made = { promise: within(haveValues(client), limitMs).then(over, over), over: false };
    byLimit.set(limitMs, wait = made);
  }
  if (!wait.over) throw wait.promise;
}
