// Takes the place of wasm.ts in the build for Node, where `fetch` does not read files.

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { loadCore as load, type Source } from "./wasm";

export type { Core, Source } from "./wasm";

let file: Promise<WebAssembly.Module> | undefined;

/** The class of the core. A failed load is forgotten, so that it can be tried again. */
export async function loadCore(source: Source): ReturnType<typeof load> {
  if (source instanceof WebAssembly.Module) return load(source);
  // A path is relative to where the program runs.
  const url = source === undefined ? new URL("./flagwire.wasm", import.meta.url) : new URL(source, pathToFileURL("./"));
  if (url.protocol !== "file:") return load(url);
  file ??= readFile(url).then(
    (bytes) => WebAssembly.compile(bytes),
    (error: unknown) => {
      file = undefined;
      throw error;
    },
  );
  return load(await file);
}
