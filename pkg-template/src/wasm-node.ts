// Takes the place of wasm.ts in the build for Node. The module is part of the script: a file beside it would not be there any more
// where a server's code is bundled, as Next's is.

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { instantiate } from "./bindings.js";
import { instance } from "./instance";
import bytes from "./flagwire.wasm";
import type { Core, Source } from "./wasm";

export type { Core, Source } from "./wasm";

let loading: Promise<WebAssembly.Module> | undefined;

/** As in wasm.ts. */
export async function loadCore(source: Source, fresh: boolean): Promise<Core> {
  loading ??= load(source).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  const module = await loading;
  return instance(() => instantiate(module), fresh);
}

async function load(source: Source): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (source === undefined) return WebAssembly.compile(bytes);
  // A path is relative to where the program runs.
  const url = new URL(source, pathToFileURL("./"));
  if (url.protocol === "file:") return WebAssembly.compile(await readFile(url));
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP ${response.status} for ${response.url}`);
  return WebAssembly.compile(await response.arrayBuffer());
}
