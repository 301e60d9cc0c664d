/**
 * Flags in Vue 3.
 *
 * ```ts
 * createApp(App).use(flagwire, { apiKey: "…", target: { identifier: "user-42" } }).mount("#app");
 *
 * const dark = useFlag("dark-mode", false); // a read-only ref
 * ```
 *
 * @packageDocumentation
 */

import { inject, onScopeDispose, readonly, shallowRef, toValue, watch, type App, type InjectionKey, type MaybeRefOrGetter, type Ref, type ShallowRef } from "vue";
import { initialize } from "./index";
import type { Client } from "./client";
import type { FlagDefault, FlagName, FlagValue, FlagValues } from "./flags";
import { isServer, renderingClient } from "./preset";
import type { Options, State, Target } from "./types";
import { settled } from "./waiting";

/** The options of the plugin: either those from which it creates a client, or a client. */
export type FlagwireOptions = { apiKey: string; target: Target; options?: Options; client?: undefined } | { client: Client };

/** The injection key of the client, for `provide` in parts of an application that need a different one. */
export const flagwireKey: InjectionKey<Client> = Symbol("flagwire");

/**
 * The plugin: `app.use(flagwire, { apiKey, target, options })`. It closes the client that it created when the application is unmounted.
 * While rendering on a server it creates none, renders the values of `options.bootstrap`, and fetches nothing.
 */
export const flagwire = {
  install(app: App, options: FlagwireOptions): void {
    const client = options.client ?? (isServer() ? renderingClient(options.options) : initialize(options.apiKey, options.target, options.options));
    app.provide(flagwireKey, client);
    if (!options.client) app.onUnmount(() => client.close());
  },
};

/** Returns the client that the plugin, or a component above, provides. */
export function useFlagwireClient(): Client {
  const client = inject(flagwireKey, undefined);
  if (!client) throw new Error("Flagwire: there is no client here; call app.use(flagwire, { apiKey, target }) first");
  return client;
}

/** Returns the value of a flag, or `defaultValue`, as a read-only ref. Both arguments may be refs or getters, and the name may change. */
export function useFlag<T extends FlagDefault<N>, N extends FlagName = FlagName>(flag: MaybeRefOrGetter<N>, defaultValue: T): Readonly<Ref<FlagValue<N, T>>> {
  const client = useFlagwireClient();
  const read = (name: N) => client.variation<T, N>(name, defaultValue);
  const value = shallowRef(read(toValue(flag))) as ShallowRef<FlagValue<N, T>>;
  watch(
    () => toValue(flag),
    (name, before, cleanUp) => {
      if (before !== undefined) value.value = read(name);
      cleanUp(client.onFlag(name, () => (value.value = read(name))));
    },
    { immediate: true, flush: "sync" },
  );
  return value;
}

/** Returns the values of all flags as a read-only ref. No reads are counted. */
export function useFlags(): Readonly<Ref<FlagValues>> {
  const client = useFlagwireClient();
  const flags = shallowRef(client.flags());
  let due = false;
  const update = () => {
    due = false;
    flags.value = client.flags();
  };
  onScopeDispose(
    client.on("changed", () => {
      // Thousands of changes may arrive together; the ref is updated once for them.
      if (!due) queueMicrotask(update);
      due = true;
    }),
  );
  return flags;
}

/** Returns the state of the client as a read-only ref. */
export function useFlagwireState(): Readonly<Ref<State>> {
  const client = useFlagwireClient();
  const state = shallowRef(client.state());
  onScopeDispose(client.on("state", (now) => (state.value = now)));
  return readonly(state);
}

/**
 * Waits for values in an asynchronous `setup` below `<Suspense>`. The promise resolves to the client's state as soon as there are values
 * from `bootstrap`, the cache or the server, or when the time is over. It never rejects. Values that arrive later are rendered then.
 *
 * @param timeoutMs the longest wait in milliseconds
 */
export function useFlagwireReady(timeoutMs = 3_000): Promise<State> {
  return settled(useFlagwireClient(), timeoutMs);
}
