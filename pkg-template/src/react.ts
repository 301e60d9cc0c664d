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
/** Below the time after which a client that React has not committed is closed. */
const MAX_SUSPENSE_TIMEOUT_MS = 30_000;

/** What {@link FlagwireProvider} takes: what a client is made of, or a client. */
export type FlagwireProviderProps =
  & { children?: ReactNode }
  & (
    | {
      /** A client key of the environment. Another one makes another client. */
      apiKey: string;
      /**
       * Who flags are served to. Another one is switched to without a new client, and the last one's values stay until the new one's are
       * there; for another `identifier`, for 5 seconds at the most.
       */
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
   * Suspend while there are no values at all, until they are there, are known not to come, or `suspenseTimeoutMs` has passed.
   * Values at hand, from `bootstrap`, the cache or the server, are rendered at once. A component that rendered a default renders
   * again when its flag's value arrives. On a page that a server rendered nothing suspends, so that nothing on it vanishes.
   * @default false
   */
  suspense?: boolean;
  /**
   * Milliseconds after which a component that suspends renders the default, at most 30000. Components of one client that give the
   * same limit wait together: for a client it passes once.
   * @default 3000
   */
  suspenseTimeoutMs?: number;
}

const Context = createContext<Held | undefined>(undefined);

/**
 * Gives a client to the components inside. Safe in StrictMode: one client is made, and closed after the provider has gone. It never
 * throws while rendering: where the key or the target is missing or wrong, that is logged, and defaults are rendered until it is not.
 */
export function FlagwireProvider(props: FlagwireProviderProps): ReactNode {
  const { apiKey, target, options, client, children } = props;
  // Another key or server is another client; another target is not.
  const origin = client ? undefined : JSON.stringify([apiKey, options?.baseUrl]);
  const identity = identityOf(target);
  // useId would give another one at each attempt to render.
  const key = origin + identity;
  const [first] = useState({ identity, bootstrap: options?.bootstrap });
  const create = () => {
    if (client) return given(client);
    // The values that a page has for one target are not another's.
    const another = identity !== first.identity && options?.bootstrap === first.bootstrap;
    return make(key, origin!, apiKey!, target!, another ? { ...options, bootstrap: [] } : options);
  };
  // State alone would not do: what suspends before the first commit is thrown away with its state.
  const [held, setHeld] = useState(create);
  const hydrating = useSyncExternalStore(neverChanges, no, yes);
  if (hydrating && held.client) neverSuspend.add(held.client);

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
    if (client || stale) return;
    let over = false;
    void switchTarget(held, target!).then((switched) => {
      if (switched || over) return;
      const next = create();
      // What is shown is not to vanish.
      if (held.client && next.client && target) neverSuspend.add(next.client);
      setHeld(next);
    });
    return () => void (over = true);
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
  { suspense = false, suspenseTimeoutMs }: ReadOptions = {},
): Variation<FlagValue<N, T>> {
  const held = useHeld();
  const { client } = held;
  if (suspense && client) suspend(client, Math.min(limitOf(suspenseTimeoutMs, SUSPENSE_TIMEOUT_MS), MAX_SUSPENSE_TIMEOUT_MS));
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
export function useFlags(): FlagValues {
  const held = useHeld();
  const { client } = held;
  const rendered = useMemo(() => presetFlags(held.bootstrap), [held]);
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
  const rendered = presetState(bootstrap);
  return useSyncExternalStore(subscribe, () => client?.state() ?? rendered, () => rendered);
}

// For useSyncExternalStore, which takes the last on a server and while hydrating.
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

/** Clients of pages that a server rendered, and those that take the place of one whose values are on the page. */
const neverSuspend = new WeakSet<Client>();
/** What is thrown to React, by client and limit: the same promise for all components, until it is settled. */
const waits = new WeakMap<Client, Map<number, { readonly promise: Promise<void>; over: boolean }>>();

/** Throws a promise to React, while there are no values and the limit has not passed. */
function suspend(client: Client, limitMs: number): void {
  // What a server rendered would be taken off the page, when React renders it again.
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
