// What `src/` exports, as wasm-bindgen generates it into bindings.js.

import type { Host } from "./core";
import type { Wire } from "./wire";
import type { Values } from "./values";

/** A client at work. */
export class Client {
  constructor(host: Host, wire: Wire, values: Values, numbers: readonly number[], seed: number);
  call(input: number, id: number, status: number, retryAfterMs: number, bytes: Uint8Array, detail: unknown, etag: unknown): number;
  free(): void;
}

/** Makes an instance of the module, and returns its class. See scripts/lib/glue.mjs. */
export function instantiate(module: WebAssembly.Module): typeof Client;
