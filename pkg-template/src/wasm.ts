// Loads the core once for all clients of a page: as WebAssembly, or as JavaScript if WebAssembly does not run for any reason.

import { instantiate, type Core } from "./bindings.js";
import { attempt, encode } from "./guard";
import { instance } from "./instance";

export type { Core };

/** The URL or module to load; the first client sets it. */
export type Source = string | URL | WebAssembly.Module | undefined;

/** The URL of a classic script, which is known only during its first run. An element that is merely named `currentScript` is ignored. */
const script = attempt(() => (document.currentScript as HTMLScriptElement).tagName === "SCRIPT" && (document.currentScript as HTMLScriptElement).src);

/** The compiled module, kept because a new instance is created from it after a trap. */
let held: WebAssembly.Module | BufferSource | undefined;

/**
 * Returns the core.
 *
 * @param fresh asks for a new instance
 * @param warn is called once with the reason if the JavaScript build is used
 * @throws Error, which names both files, if neither build can be loaded. A later call tries again.
 */
export function loadCore(source: Source, fresh: boolean, warn: (why: string) => void): Promise<Core> {
  return instance(fresh, async () => {
    let from: unknown = source;
    try {
      // A browser without WebAssembly, and a page whose policy forbids it, refuse even this, so that nothing is fetched for nothing.
      // In WebKit a policy only refuses instances.
      new WebAssembly.Instance(new WebAssembly.Module(encode("\0asm\x01\0\0\0")));
      from ??= place();
      held ??= source instanceof WebAssembly.Module ? source : await download(from as URL);
      return await instantiate(held);
    } catch (error) {
      held = undefined;
      const why = `${from ?? ""} ${error}`;
      try {
        const core = await (await import("./fallback")).instantiate(undefined as never);
        if (!fresh) warn(why);
        return core;
      } catch (second) {
        throw new Error(`${why}; ${second}`);
      }
    }
  });
}

function place(): URL {
  try {
    // Bundlers recognise exactly this expression.
    return new URL("./flagwire.wasm", import.meta.url);
  } catch {
    // `import.meta` does not exist in a classic script.
    return new URL("flagwire.wasm", script || location.href);
  }
}

async function download(url: string | URL): Promise<ArrayBuffer> {
  const response = await fetch(url, { signal: attempt(() => AbortSignal.timeout(30_000)) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.arrayBuffer();
}
