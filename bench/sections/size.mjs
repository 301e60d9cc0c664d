// What a page loads to initialise an SDK, read one flag and listen, all of it: JavaScript and WebAssembly.

import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { packageDir } from "../../scripts/lib/products.mjs";
import { root } from "../../scripts/lib/paths.mjs";
import { packagePlugin } from "../lib/bundle.mjs";
import { version } from "../lib/machine.mjs";
import { bars } from "../lib/plot.mjs";
import { bytes, short, table } from "../lib/stats.mjs";
import { flagwire, peers } from "../size/entries.mjs";

const bench = join(root, "bench");

/** @typedef {{ name: string, version: string, note?: string, ours: boolean, raw: number, gzip: number, brotli: number }} Row */

export const title = "Size";

/** @returns {Promise<{ rows: Row[] }>} */
export async function measure() {
  const { exports, version: own } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"));
  const wasm = join(packageDir, "flagwire.wasm");
  /** @type {Row[]} */
  const rows = [];
  for (const [subpath, { name, source }] of Object.entries(flagwire)) {
    if (!exports[subpath]) continue;
    rows.push({ name, version: own, ours: true, ...(await weigh(source, wasm)) });
  }
  for (const { name, package: from, source, wasm, note } of peers) {
    rows.push({ name, version: version(from), note, ours: false, ...(await weigh(source, wasm && join(bench, "node_modules", wasm))) });
  }
  return { rows: rows.sort((a, b) => a.brotli - b.brotli) };
}

/**
 * @param {string} source
 * @param {string} [wasm]
 */
async function weigh(source, wasm) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: source, resolveDir: bench },
    outdir: "out",
    entryNames: "main",
    bundle: true,
    // As applications are built: what is imported only when it is needed is a file of its own, and not weighed.
    splitting: true,
    metafile: true,
    format: "esm",
    target: "es2022",
    minify: true,
    write: false,
    legalComments: "none",
    define: { "process.env.NODE_ENV": '"production"' },
    // The wasm file is weighed below; an SDK that carries it as base64 has it in its JavaScript already.
    loader: { ".wasm": "empty" },
    plugins: [packagePlugin()],
    logLevel: "error",
  });
  /** @type {Set<string>} */
  const loaded = new Set();
  const load = (/** @type {string} */ path) => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const { path: other, kind } of metafile.outputs[path]?.imports ?? []) if (kind === "import-statement") load(other);
  };
  load("out/main.js");
  const files = outputFiles.filter(({ path }) => loaded.has(`out/${basename(path)}`)).map(({ contents }) => contents);
  if (wasm && !existsSync(wasm)) throw new Error(`there is no ${wasm}`);
  if (wasm) files.push(readFileSync(wasm));
  const sum = (/** @type {(file: Uint8Array) => number} */ size) => files.reduce((total, file) => total + size(file), 0);
  return {
    raw: sum((file) => file.length),
    gzip: sum((file) => gzipSync(file, { level: 9 }).length),
    brotli: sum((file) => brotliCompressSync(file, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: file.length } }).length),
  };
}

/** @param {{ rows: Row[] }} data */
export function plots({ rows }) {
  return {
    "size.svg": bars({
      title: "Bytes to load: initialise, read, listen (brotli 11, logarithmic)",
      unit: "B",
      log: true,
      rows: rows.map(({ name, brotli, ours }) => ({ label: name, value: brotli, ours })),
    }),
  };
}

/** @param {{ rows: Row[] }} data */
export function report({ rows }) {
  const main = rows.find(({ name }) => name === "Flagwire");
  const smaller = rows.filter(({ ours, brotli }) => !ours && main && brotli < main.brotli).map(({ name, brotli }) => `${name} (${short(brotli / (main?.brotli ?? 1))} ×)`);
  return [
    "Bundled and minified with esbuild, each file compressed by itself, WebAssembly counted. What each entry does is in `bench/size/entries.mjs`.",
    table(
      ["SDK", "version", "minified", "gzip 9", "brotli 11", "to Flagwire"],
      rows.map(({ name, version, note, raw, gzip, brotli, ours }) => [
        `${ours ? `**${name}**` : name}${note ? `: ${note}` : ""}`,
        version,
        bytes(raw),
        bytes(gzip),
        bytes(brotli),
        main ? `${short(brotli / main.brotli)} ×` : "–",
      ]),
    ),
    "![Size](plots/size.svg)",
    smaller.length > 0 ? `Smaller than Flagwire: ${smaller.join(", ")}.` : "Nothing measured is smaller than Flagwire.",
  ].join("\n\n");
}
