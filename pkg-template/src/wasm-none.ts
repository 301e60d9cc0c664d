// Takes the place of wasm.ts in `flagwire/javascript`: the core as JavaScript, imported like anything else. Service workers
// know no import(), by which wasm.ts would get it.

import { Client } from "./fallback";

export type { Core, Source } from "./wasm";

/** The class of the core. */
export async function loadCore(): Promise<typeof Client> {
  return Client;
}
