// Replaces wasm.ts in the build for edge runtimes (Cloudflare Workers, Vercel Edge Functions). They compile WebAssembly only at
// deployment, so the compiled module is imported. Next requires the suffix `?module`, and Cloudflare's tools accept it.

import compiled from "./flagwire.wasm?module";
import { instantiate, type Core } from "./bindings.js";
import type { Source } from "./wasm";

export type { Core, Source } from "./wasm";

let shared: Core | undefined;

/** Returns the core. No promise is shared, because a request may not wait for another request's promise in these runtimes. */
export async function loadCore(source: Source, fresh: boolean): Promise<Core> {
  if (fresh || !shared) shared = await instantiate(source instanceof WebAssembly.Module ? source : compiled);
  return shared;
}
