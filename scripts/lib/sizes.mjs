// What pages load with each entry of the package: the bytes that `npm run size` prints and documents quote.

import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { root } from "./paths.mjs";
import { packageDir } from "./products.mjs";
import { Plain } from "./run.mjs";

/** What the main entry is to come down to: bytes of WebAssembly and JavaScript together, brotli 11. */
export const GOAL = 12_000;
/** What it must not grow past meanwhile: the last size reached and a little room. Lower it with each step down. */
export const LIMIT = 14_900;

/** What the module of the command line, which reads flags files, must not grow past: bytes, brotli 11. */
export const COMMAND_LIMIT = 120_000;

/** Initialises, reads one flag, listens. */
const MAIN = 'import { initialize, Event } from "flagwire"; const c = initialize(key, target); c.on(Event.CHANGED, () => c.variation("f", false));';
/** Entries beside the main one that pages import, whole. */
const ENTRIES = ["harness", "harness/react", "react", "vue", "svelte", "openfeature", "javascript"];

/** @typedef {{ raw: number, gzip: number, brotli: number }} Size */

/** @returns {Promise<{ javascript: Size, wasm: Size, main: Size }>} `main` is both together, each compressed by itself */
export async function mainSizes() {
  if (!existsSync(join(packageDir, "package.json"))) throw new Plain("There is no pkg/ yet; run `npm run build` first.");
  const [javascript, wasm] = [measure(await bundled(MAIN)), measure(readFileSync(join(packageDir, "flagwire.wasm")))];
  return { javascript, wasm, main: { raw: javascript.raw + wasm.raw, gzip: javascript.gzip + wasm.gzip, brotli: javascript.brotli + wasm.brotli } };
}

/** @returns {Size} what `npx flagwire` loads to read a flags file, and no page */
export function commandSize() {
  return measure(readFileSync(join(packageDir, "cli.wasm")));
}

/** @returns {Promise<{ name: string, together: number, more: number }[]>} brotli, with the WebAssembly; `more` than the main entry */
export async function entrySizes() {
  const { wasm, main } = await mainSizes();
  return Promise.all(ENTRIES.map(async (name) => {
    const script = measure(await bundled(`export * from "flagwire/${name}";`)).brotli;
    const together = name === "javascript" ? script : script + wasm.brotli;
    return { name, together, more: together - main.brotli };
  }));
}

/** What a page's bundler makes of a script. @param {string} contents @returns {Promise<Uint8Array>} */
async function bundled(contents) {
  const { outputFiles } = await build({
    // From inside the package its name is itself.
    stdin: { contents, resolveDir: packageDir },
    bundle: true,
    format: "esm",
    // What is imported only when it is needed is a file of its own, and not loaded by the page.
    splitting: true,
    outdir: "out",
    entryNames: "main",
    minify: true,
    write: false,
    logLevel: "error",
    // An application has these anyway.
    external: ["react", "vue", "svelte", "svelte/store"],
    nodePaths: [join(root, "node_modules")],
  });
  const main = outputFiles.find(({ path }) => path.endsWith("main.js"));
  if (!main) throw new Plain("The entry could not be bundled.");
  return main.contents;
}

/** @param {Uint8Array} bytes @returns {Size} */
function measure(bytes) {
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotli.length };
}
