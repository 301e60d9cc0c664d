// Loads the WebAssembly module, once for all clients of the page.

import { instantiate, type Core } from "./bindings.js";
import { instance } from "./instance";

export type { Core };

/** Where to load from; given by the first client. */
export type Source = string | URL | WebAssembly.Module | undefined;

/** The module, ready to be made an instance of. */
let loading: Promise<() => Core> | undefined;

/**
 * The core. A failed load is forgotten, so that it can be tried again.
 *
 * @param fresh asks for an instance that nobody has used yet
 */
export async function loadCore(source: Source, fresh: boolean): Promise<Core> {
  loading ??= load(source).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return instance(await loading, fresh);
}

async function load(source: Source): Promise<() => Core> {
  if (typeof WebAssembly === "undefined") return fallback();
  let module = source;
  if (!(module instanceof WebAssembly.Module)) {
    const response = await fetch(module ?? new URL("./flagwire.wasm", import.meta.url));
    if (!response.ok) throw new Error(`HTTP ${response.status} for ${response.url}`);
    try {
      // Browsers compile while loading only what is served as `application/wasm`, and not all servers do.
      module = await (response.headers.get("content-type")?.startsWith("application/wasm")
        ? WebAssembly.compileStreaming(response)
        : WebAssembly.compile(await response.arrayBuffer()));
    } catch {
      return fallback(); // the page's content security policy forbids it, or the file is damaged
    }
  }
  return () => instantiate(module as WebAssembly.Module);
}

/** The same core, as JavaScript. */
async function fallback(): Promise<() => Core> {
  return (await import("./fallback")).instantiate as () => Core;
}
