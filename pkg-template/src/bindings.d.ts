// What `src/` exports, as wasm-bindgen generates it into bindings.js.

import type { Host } from "./core";
import type { Wire } from "./wire";
import type { Values } from "./values";

/** A client at work. */
export class Client {
  constructor(host: Host, wire: Wire, values: Values, numbers: readonly number[], seed: number);
  call(input: number, detail?: unknown): number;
  free(): void;
}

export function initSync(options: { module: WebAssembly.Module }): unknown;
