// Takes the place of wasm.ts in the build for Node, where `fetch` does not read files.

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { loadCore as load, type Source } from "./wasm";

export type { Core, Source } from "./wasm";

let file: Promise<WebAssembly.Module> | undefined;

/** As in wasm.ts. */
export async function loadCore(source: Source, fresh: boolean): ReturnType<typeof load> {
  if (source instanceof WebAssembly.Module) return load(source, fresh);
  // A path is relative to where the program runs.
  const url = source === undefined ? new URL("./flagwire.wasm", import.meta.url) : new URL(source, pathToFileURL("./"));
  if (url.protocol !== "file:") return load(url, fresh);
  file ??= readFile(url).then(
    (bytes) => WebAssembly.compile(bytes),
    (error: unknown) => {
      file = undefined;
      throw error;
    },
  );
  return load(await file, fresh);
}
