/**
 * Flags in Svelte 4 and 5.
 *
 * ```svelte
 * <script>
 *   // in the root component
 *   setFlagwire({ apiKey: "…", target: { identifier: "user-42" } });
 *   // in any component below
 *   const dark = flag("dark-mode", false);
 * </script>
 * {#if $dark} … {/if}
 * ```
 *
 * @packageDocumentation
 */

import { getContext, hasContext, onDestroy, setContext } from "svelte";
import { readable, type Readable } from "svelte/store";
import { initialize } from "./index";
import type { Client } from "./client";
import type { FlagDefault, FlagName, FlagValue, FlagValues } from "./flags";
import { isServer, renderingClient } from "./preset";
import type { Options, State, Target } from "./types";
import { settled } from "./waiting";

/** The options of {@link setFlagwire}: either those from which it creates a client, or a client. */
export type FlagwireOptions = { apiKey: string; target: Target; options?: Options; client?: undefined } | { client: Client };

const KEY = Symbol.for("flagwire");

/**
 * Creates a client for this component and those below, and closes it with the component; a client that you pass is not closed. While
 * rendering on a server it creates none, renders the values of `options.bootstrap`, and fetches nothing.
 */
export function setFlagwire(options: FlagwireOptions): Client {
  const client = options.client ?? (isServer() ? renderingClient(options.options) : initialize(options.apiKey, options.target, options.options));
  setContext(KEY, client);
  if (!options.client) onDestroy(() => client.close());
  return client;
}

/** Returns the context for `mount`, or for a test's `render`, which gives a client to a component without another one above it. */
export function flagwireContext(client: Client): Map<symbol, Client> {
  return new Map([[KEY, client]]);
}

/** Returns the client that a component above has set. */
export function getFlagwire(): Client {
  if (!hasContext(KEY)) throw new Error("Flagwire: there is no client here; call setFlagwire({ apiKey, target }) in a component above");
  return getContext<Client>(KEY);
}

/**
 * Returns the value of a flag, or `defaultValue`, as a store.
 *
 * @param client the one of the context by default; give one outside of components
 */
export function flag<T extends FlagDefault<N>, N extends FlagName = FlagName>(name: N, defaultValue: T, client: Client = getFlagwire()): Readable<FlagValue<N, T>> {
  const read = () => client.variation<T, N>(name, defaultValue);
  return readable(read(), (set) => {
    set(read());
    return client.onFlag(name, () => set(read()));
  });
}

/** Returns the values of all flags as a store. No reads are counted. */
export function flags(client: Client = getFlagwire()): Readable<FlagValues> {
  return readable(client.flags(), (set) => {
    let due = false;
    const update = () => {
      due = false;
      set(client.flags());
    };
    update();
    return client.on("changed", () => {
      // Thousands of changes may arrive together; the store is updated once for them.
      if (!due) queueMicrotask(update);
      due = true;
    });
  });
}

/** Returns the state of the client as a store. */
export function flagwireState(client: Client = getFlagwire()): Readable<State> {
  return readable(client.state(), (set) => {
    set(client.state());
    return client.on("state", set);
  });
}

/**
 * Waits for values, for `{#await flagwireReady()}`. The promise resolves to the client's state as soon as there are values from
 * `bootstrap`, the cache or the server, or when the time is over. It never rejects. Stores follow values that arrive later.
 *
 * @param timeoutMs the longest wait in milliseconds
 * @param client the one of the context by default; give one outside of components
 */
export function flagwireReady(timeoutMs = 3_000, client: Client = getFlagwire()): Promise<State> {
  return settled(client, timeoutMs);
}
