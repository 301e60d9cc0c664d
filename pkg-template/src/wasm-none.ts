// Replaces wasm.ts in `flagwire/javascript`, and for CommonJS outside of Node: imports the core as JavaScript statically. Service
// workers do not support import(), by which wasm.ts would load it.

import { instantiate } from "./fallback";
import { instance } from "./instance";
import type { Core, Source } from "./wasm";

export type { Core, Source } from "./wasm";

/** Returns the core. */
export function loadCore(_source: Source, fresh: boolean): Promise<Core> {
  // The core is part of this script.
  return instance(fresh, () => instantiate(undefined as never));
}
