// Makes a short name of texts that should not be readable in a list of locks or in a site's storage.

import { encode } from "./guard";

/** Returns FNV-1a of 64 bits over texts, with the end of each marked. `crates/core/src/http.rs` has the same for front ends in Rust. */
export function hash(...texts: string[]): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of encode(texts.join("\0") + "\0")) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}
