// Takes the place of wasm.ts in `flagwire/javascript`, and where CommonJS is asked for outside of Node: the core as JavaScript,
// imported like anything else. Service workers know no import(), by which wasm.ts would get it.

import { instantiate } from "./fallback";
import { instance } from "./instance";
import type { Core, Source } from "./wasm";

export type { Core, Source } from "./wasm";

/** The core. */
export function loadCore(_source: Source, fresh: boolean): Promise<Core> {
  // The module is in the script.
  return instance(fresh, () => instantiate(undefined as never));
}
