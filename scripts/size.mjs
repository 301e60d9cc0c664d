// `npm run size`: what a page loads when it imports the main entry, against the budget.
//
// `npm run size -- --entries` measures what pages load with each of the other entries.
//
// `npm run size -- --why` says where the module's bytes are instead: its largest functions, and the sums of crates. It builds
// the module once more, with names.

import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { root } from "./lib/paths.mjs";
import { packageDir } from "./lib/products.mjs";
import { Plain } from "./lib/run.mjs";
import { script, Steps } from "./lib/steps.mjs";
import { crateOf, functions } from "./lib/wasm-functions.mjs";
import { bind, compile, shrink } from "./lib/wasm-module.mjs";

/** What the main entry is to come down to: bytes of WebAssembly and JavaScript together, brotli 11. */
const GOAL = 12_000;
/** What it must not grow past meanwhile: the last size reached and a little room. Lower it with each step down. */
const LIMIT = 14_900;

/** Initialises, reads one flag, listens. */
const MAIN = 'import { initialize, Event } from "flagwire"; const c = initialize(key, target); c.on(Event.CHANGED, () => c.variation("f", false));';
/** Entries beside the main one that pages import, whole. */
const ENTRIES = ["harness", "react", "vue", "svelte", "openfeature", "javascript"];

await script(async () => {
  if (process.argv.includes("--why")) return why();
  if (!existsSync(join(packageDir, "package.json"))) throw new Plain("There is no pkg/ yet; run `npm run build` first.");
  if (process.argv.includes("--entries")) return entries();
  const rows = [
    { name: "JavaScript", ...measure(await bundled(MAIN)) },
    { name: "WebAssembly", ...measure(wasm()) },
  ];
  const sum = (/** @type {"raw" | "gzip" | "brotli"} */ key) => rows.reduce((total, row) => total + row[key], 0);
  const total = { name: "together", raw: sum("raw"), gzip: sum("gzip"), brotli: sum("brotli") };
  console.log(line("bytes", "raw", "gzip 9", "brotli 11"));
  for (const { name, raw, gzip, brotli } of [...rows, total]) console.log(line(name, raw, gzip, brotli));
  console.log(line("goal", "", "", GOAL));
  console.log(line("limit", "", "", LIMIT));
  if (total.brotli > LIMIT) throw new Plain(`The main entry is ${total.brotli - LIMIT} bytes over the limit in scripts/size.mjs.`);
});

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

function wasm() {
  return readFileSync(join(packageDir, "flagwire.wasm"));
}

async function entries() {
  const module = measure(wasm()).brotli;
  const main = measure(await bundled(MAIN)).brotli + module;
  console.log(line("brotli 11", "together", "more"));
  console.log(line("main", main, 0));
  for (const name of ENTRIES) {
    const script = measure(await bundled(`export * from "flagwire/${name}";`)).brotli;
    const together = name === "javascript" ? script : script + module;
    console.log(line(name, together, together - main));
  }
}

/** @param {import("./lib/steps.mjs").Step} step */
async function named(step) {
  const folder = join(root, "target", "why");
  const [bound, small] = [join(folder, "flagwire_bg.wasm"), join(folder, "small.wasm")];
  const raw = await compile(step, { names: true });
  if (raw) await bind(raw, folder, step, { names: true });
  shrink(bound, small, { names: true });
  return functions(readFileSync(small));
}

async function why() {
  const all = await new Steps(1).run("module with names", named);
  for (const { name, bytes } of all.slice(0, 50)) console.log(`${String(bytes).padStart(6)} ${name.slice(0, 150)}`);
  /** @type {Map<string, number>} */
  const crates = new Map();
  for (const { name, bytes } of all) crates.set(crateOf(name), (crates.get(crateOf(name)) ?? 0) + bytes);
  console.log();
  for (const [crate, bytes] of [...crates].sort(([, one], [, other]) => other - one)) console.log(`${String(bytes).padStart(6)} ${crate}`);
}

/** @param {Uint8Array} bytes */
function measure(bytes) {
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotli.length };
}

/** @param {...(string | number)} cells */
function line(...cells) {
  const [first, ...rest] = cells.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en") : cell));
  return first.padEnd(12) + rest.map((cell) => cell.padStart(11)).join("");
}
