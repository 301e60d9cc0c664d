// What `crates/npm-client` exports, as wasm-bindgen generates it into bindings.js.

import type { Hear, Host } from "./core";
import type { Wire } from "./wire";
import type { Values } from "./values";

/** An instance of the module. Clients are numbers there. */
export interface Core {
  start_(host: Host, wire: Wire, values: Values, numbers: readonly number[], seed: number): number;
  /**
   * Hands an input to a client. WebAssembly takes a number that is not given for 0, and `retryAfterMs` for NaN. Where `detail` is bytes,
   * their number is in the place of the status. A client that is closed is dropped; its number may become another's.
   */
  call_(client: number, ...heard: Parameters<Hear>): void;
}

/**
 * Makes an instance of the module. Asynchronously, because a page's main thread may not make one of this size at once in Chromium
 * before 114. See scripts/lib/glue.mjs.
 */
export function instantiate(module: WebAssembly.Module | BufferSource): Promise<Core>;
