// Takes the place of wasm.ts in the build for edge runtimes (Cloudflare's workers, Vercel's edge functions), which compile
// WebAssembly at deployment only: there a module is imported, and arrives compiled. `?module` is what Next asks for, and
// what Cloudflare's tools accept.

import compiled from "./flagwire.wasm?module";
import { instantiate, type Core } from "./bindings.js";
import type { Source } from "./wasm";

export type { Core, Source } from "./wasm";

let shared: Core | undefined;

/** The core. No promise is kept: one request may not wait for another's there. */
export async function loadCore(source: Source, fresh: boolean): Promise<Core> {
  if (fresh || !shared) shared = await instantiate(source instanceof WebAssembly.Module ? source : compiled);
  return shared;
}
