// Takes the place of wasm.ts in `flagwire/javascript`: the core as JavaScript, imported like anything else. Service workers
// know no import(), by which wasm.ts would get it.

import { instantiate } from "./fallback";
import { instance, type Class } from "./instance";
import type { Source } from "./wasm";

export type { Core, Source } from "./wasm";

/** The class of the core. */
export async function loadCore(_source: Source, fresh: boolean): Promise<Class> {
  // The module is in the script.
  return instance(() => instantiate(undefined as never), fresh);
}
