// Loads the WebAssembly module, once for all clients of the page.

import { Client, initSync } from "./bindings.js";

export type Core = Client;

/** Where to load from; given by the first client. */
export type Source = string | URL | WebAssembly.Module | undefined;

let loading: Promise<typeof Client> | undefined;

/** The class of the core. A failed load is forgotten, so that it can be tried again. */
export function loadCore(source: Source): Promise<typeof Client> {
  loading ??= instantiate(source).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function instantiate(source: Source): Promise<typeof Client> {
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
  initSync({ module });
  return Client;
}

/** The same core, as JavaScript. */
async function fallback(): Promise<typeof Client> {
  return (await import("./fallback")).Client;
}
