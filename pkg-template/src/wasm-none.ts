// Takes the place of wasm.ts in `flagwire/javascript`: the core as JavaScript, imported like anything else. Service workers
// know no import(), by which wasm.ts would get it.

import { instantiate } from "./fallback";
import { instance } from "./instance";
import type { Core, Source } from "./wasm";

export type { Core, Source } from "./wasm";

/** The core. */
export async function loadCore(_source: Source, fresh: boolean): Promise<Core> {
  // The module is in the script.
  return instance(() => instantiate(undefined as never), fresh);
}
