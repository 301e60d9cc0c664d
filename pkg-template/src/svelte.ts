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

/** What {@link setFlagwire} takes: what a client is made of, or a client. */
export type FlagwireOptions = { apiKey: string; target: Target; options?: Options; client?: undefined } | { client: Client };

const KEY = Symbol.for("flagwire");

/**
 * Makes a client, for this component and those below. It is closed with the component, unless it was given. While rendering on a
 * server none is made: `options.bootstrap` is rendered, and nothing is fetched.
 */
export function setFlagwire(options: FlagwireOptions): Client {
  const client = options.client ?? (isServer() ? renderingClient(options.options) : initialize(options.apiKey, options.target, options.options));
  setContext(KEY, client);
  if (!options.client) onDestroy(() => client.close());
  return client;
}

/** The client that a component above has set. */
export function getFlagwire(): Client {
  if (!hasContext(KEY)) throw new Error("Flagwire: there is no client here; call setFlagwire({ apiKey, target }) in a component above");
  return getContext<Client>(KEY);
}

/**
 * The value of a flag as a store, or `defaultValue`.
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

/** The values of all flags as a store. Counts no reads. */
export function flags(client: Client = getFlagwire()): Readable<FlagValues> {
  return readable(client.flags(), (set) => {
    let due = false;
    const update = () => {
      due = false;
      set(client.flags());
    };
    update();
    return client.on("changed", () => {
      // Thousands of changes may arrive at once.
      if (!due) queueMicrotask(update);
      due = true;
    });
  });
}

/** How far the values can be trusted, as a store. */
export function flagwireState(client: Client = getFlagwire()): Readable<State> {
  return readable(client.state(), (set) => {
    set(client.state());
    return client.on("state", set);
  });
}

/**
 * For `{#await flagwireReady()}`: resolves as soon as there are values, from `bootstrap`, the cache or the server, and when none came in
 * time, to how far they can be trusted. Never rejects. Stores follow what comes later.
 *
 * @param timeoutMs milliseconds
 * @param client the one of the context by default; give one outside of components
 */
export function flagwireReady(timeoutMs = 3_000, client: Client = getFlagwire()): Promise<State> {
  return settled(client, timeoutMs);
}
