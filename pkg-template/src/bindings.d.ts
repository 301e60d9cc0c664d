// The types of bindings.js, which wasm-bindgen generates from the exports of `crates/npm-client`.

import type { Hear, Host } from "./core";
import type { Wire } from "./wire";
import type { Values } from "./values";

/** An instance of the module, in which clients are named by numbers. */
export interface Core {
  start_(host: Host, wire: Wire, values: Values, numbers: readonly number[], seed: number): number;
  /**
   * Passes an input to a client. A number that is not given becomes 0 in WebAssembly, and `retryAfterMs` becomes NaN. Where `detail`
   * is bytes, their number takes the place of the status. A client that is closed is dropped, and its number may become another's.
   */
  call_(client: number, ...heard: Parameters<Hear>): void;
}

/**
 * Makes an instance of the module. It is asynchronous, because a page's main thread cannot make one of this size synchronously in
 * Chromium before 114. See scripts/lib/glue.mjs.
 */
export function instantiate(module: WebAssembly.Module | BufferSource): Promise<Core>;
