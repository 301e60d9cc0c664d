// Replaces wasm.ts in the build for Node. The module is part of the script, because a separate file would be missing once a server's
// code is bundled, as Next does.

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { instantiate } from "./bindings.js";
import { instance } from "./instance";
import bytes from "./flagwire.wasm";
import type { Core, Source } from "./wasm";

export type { Core, Source } from "./wasm";

/** The compiled module, kept because a new instance is created from it after a trap. */
let held: WebAssembly.Module | BufferSource | undefined;

/** Returns the core, as the function in wasm.ts does. */
export function loadCore(source: Source, fresh: boolean): Promise<Core> {
  return instance(fresh, async () => instantiate(held ??= await load(source)));
}

async function load(source: Source): Promise<WebAssembly.Module | BufferSource> {
  if (source === undefined) return bytes;
  if (source instanceof WebAssembly.Module) return source;
  // A path is relative to the working directory.
  const url = new URL(source, pathToFileURL("./"));
  if (url.protocol === "file:") return readFile(url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP ${response.status} for ${response.url}`);
  return response.arrayBuffer();
}
