// The main entry in Node: the same, with the WebAssembly file read from disk (wasm-node.ts).

import { initialize as start } from "./index";
import type { Client } from "./client";
import type { Options, Target } from "./types";

export * from "./index";

/** What differs by default: Node has no tabs to share a stream with, and for long had no `EventSource`. */
export function initialize(apiKey: string, target: Target, options: Options = {}): Client {
  const given = { shareStream: false, ...options };
  return start(apiKey, target, typeof EventSource === "undefined" ? { ...given, streamTransport: "fetch" } : given);
}
