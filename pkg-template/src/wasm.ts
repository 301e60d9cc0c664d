// Loads the core, once for all clients of the page: as WebAssembly, or as JavaScript where that does not run, whatever the cause.

import { instantiate, type Core } from "./bindings.js";
import { attempt, encode } from "./guard";
import { instance } from "./instance";

export type { Core };

/** Where to load from; given by the first client. */
export type Source = string | URL | WebAssembly.Module | undefined;

/** A classic script's own place is known only while it runs for the first time. An element that is only named `currentScript` is none. */
const script = attempt(() => (document.currentScript as HTMLScriptElement).tagName === "SCRIPT" && (document.currentScript as HTMLScriptElement).src);

/** The module as it came: after a trap another instance is made of it. */
let held: WebAssembly.Module | BufferSource | undefined;

/**
 * The core.
 *
 * @param fresh asks for an instance that nobody has used yet
 * @param warn is called once where the JavaScript build is used, with the reason
 * @throws Error, which names both files, where neither build can be loaded. That is forgotten: it can be tried again.
 */
export function loadCore(source: Source, fresh: boolean, warn: (why: string) => void): Promise<Core> {
  return instance(fresh, async () => {
    let from: unknown = source;
    try {
      // A browser without WebAssembly and a page whose policy forbids it refuse even this, so nothing is fetched in vain. WebKit's
      // policy refuses instances alone.
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
    // Bundlers look for exactly this.
    return new URL("./flagwire.wasm", import.meta.url);
  } catch {
    // A classic script has no `import.meta`.
    return new URL("flagwire.wasm", script || location.href);
  }
}

async function download(url: string | URL): Promise<ArrayBuffer> {
  const response = await fetch(url, { signal: attempt(() => AbortSignal.timeout(30_000)) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.arrayBuffer();
}
