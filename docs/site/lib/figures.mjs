// Figures for the site's pictures, as a module: from bench/results.json, and the package's sizes as its documents state them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./project.mjs";

const ID = "virtual:flagwire-figures";

/** @returns {import("vite").Plugin} */
export function figuresPlugin() {
  return {
    name: "flagwire-figures",
    resolveId: (id) => (id === ID ? `\0${ID}` : undefined),
    load: (id) => (id === `\0${ID}` ? `export default ${JSON.stringify(figures())};` : undefined),
  };
}

/** What a page loads with each SDK, in bytes, smallest first, and its start beside Harness's. */
export function figures() {
  const { size } = JSON.parse(readFileSync(join(root, "bench", "results.json"), "utf8")).sections;
  // `npm run size -- --write` keeps the figure in this table; the benchmark was run with an earlier commit.
  const ours = /<!--size\.main-->([\d,]+)<!--/.exec(readFileSync(join(root, "docs", "COMPARISON.md"), "utf8"))?.[1] ?? "";
  const peers = size.data.rows.filter((/** @type {any} */ row) => !row.ours && row.name !== "Flipt default");
  const sizes = [...peers.map((/** @type {any} */ { name, version, brotli }) => ({ name, version, bytes: brotli, ours: false })), { name: "Flagwire", version: "", bytes: Number(ours.replaceAll(",", "")), ours: true }];
  return { date: size.date, sizes: sizes.sort((a, b) => a.bytes - b.bytes) };
}
