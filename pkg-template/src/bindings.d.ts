// What `src/` exports, as wasm-bindgen generates it into bindings.js.

import type { Host } from "./core";
import type { Wire } from "./wire";
import type { Values } from "./values";

/** An instance of the module. Clients are numbers there. */
export interface Core {
  start_(host: Host, wire: Wire, values: Values, numbers: readonly number[], seed: number): number;
  /**
   * WebAssembly takes a number that is not given for 0, and `retryAfterMs` for NaN. Where `detail` is bytes, their number is in the
   * place of the status. A client that is closed is let go of; its number may be another's then.
   */
  call_(client: number, input: number, id: number | undefined, status: number | undefined, retryAfterMs: number | undefined, detail: unknown, etag: unknown): void;
}

/**
 * Makes an instance of the module. Asynchronously, because a page's main thread may not make one of this size at once in Chromium
 * before 114. See scripts/lib/glue.mjs.
 */
export function instantiate(module: WebAssembly.Module | BufferSource): Promise<Core>;
