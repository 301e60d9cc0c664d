// What `src/` exports, as wasm-bindgen generates it into bindings.js.

import type { Host } from "./core";
import type { Wire } from "./wire";
import type { Values } from "./values";

/** An instance of the module. Clients are numbers there. */
export interface Core {
  start_(host: Host, wire: Wire, values: Values, numbers: readonly number[], seed: number): number;
  /** WebAssembly takes a number that is not given for 0, and `retryAfterMs` for NaN. */
  call_(client: number, input: number, id: number | undefined, status: number | undefined, retryAfterMs: number | undefined, bytes: Uint8Array, detail: unknown, etag: unknown): number;
  /** Lets go of a client that was closed. */
  free_(client: number): void;
}

/** Makes an instance of the module. See scripts/lib/glue.mjs. */
export function instantiate(module: WebAssembly.Module): Core;
