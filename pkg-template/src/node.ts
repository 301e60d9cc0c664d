// The main entry in Node and on the edge: the same, with other ways to the WebAssembly module (wasm-node.ts, wasm-edge.ts).

import { initialize as start } from "./index";
import type { Client } from "./client";
import type { Options, Target } from "./types";

export * from "./index";

/** What differs by default: servers have no tabs to share a stream with, and not all have an `EventSource`. */
export function initialize(apiKey: string, target: Target, options: Options = {}): Client {
  const given = { shareStream: false, ...options };
  return start(apiKey, target, typeof EventSource === "undefined" ? { ...given, streamTransport: "fetch" } : given);
}
