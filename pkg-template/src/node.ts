// The main entry for Node and edge runtimes, which load the WebAssembly module in other ways (wasm-node.ts, wasm-edge.ts).

import { initialize as start } from "./index";
import type { Client } from "./client";
import type { Options, Target } from "./types";

export * from "./index";

/** Makes a client with other defaults: servers have no tabs to share a stream with, and not all have an `EventSource`. */
export function initialize(apiKey: string, target: Target, options: Options = {}): Client {
  const given = { shareStream: false, ...options };
  return start(apiKey, target, typeof EventSource === "undefined" ? { ...given, streamTransport: "fetch" } : given);
}
