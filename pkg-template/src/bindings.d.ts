// What `src/` exports, as wasm-bindgen generates it into bindings.js.

import type { CoreOptions } from "./options";
import type { Host } from "./host";
import type { Evaluation, Target } from "./types";

/** A client at work. */
export class Client {
  constructor(host: Host, texts: CoreOptions["texts"], numbers: CoreOptions["numbers"], seed: number);
  identify(target: Target): number;
  refresh(): void;
  set(evaluations: readonly Evaluation[]): void;
  flush(): void;
  tick(): void;
  page(event: number): void;
  tab(event: number, message: number, text: string): void;
  close(): void;
  free(): void;
}

export function initSync(options: { module: WebAssembly.Module }): unknown;
