// `npm run size`: what a page loads when it imports the main entry, against the budget.
//
// `npm run size -- --entries` measures what pages load with each of the other entries. `npm run size -- --write` writes sizes
// and what bench/results.json holds into the documents that quote them.
//
// `npm run size -- --why` says where the module's bytes are instead: its largest functions, and the sums of crates. It builds
// the module once more, with names. `--why --command` does so for the module of `npx flagwire`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { benchFigures, sizeFigures, writeFigures } from "./lib/figures.mjs";
import { root } from "./lib/paths.mjs";
import { Plain } from "./lib/run.mjs";
import { COMMAND_LIMIT, commandSize, entrySizes, GOAL, LIMIT, mainSizes } from "./lib/sizes.mjs";
import { script, Steps } from "./lib/steps.mjs";
import { crateOf, functions } from "./lib/wasm-functions.mjs";
import { bind, compile, shrink } from "./lib/wasm-module.mjs";

await script(async () => {
  if (process.argv.includes("--why")) return why();
  if (process.argv.includes("--write")) return write();
  const { javascript, wasm, main } = await mainSizes();
  if (process.argv.includes("--entries")) return entries(main.brotli);
  console.log(line("bytes", "raw", "gzip 9", "brotli 11"));
  for (const [name, size] of Object.entries({ JavaScript: javascript, WebAssembly: wasm, together: main })) console.log(line(name, size.raw, size.gzip, size.brotli));
  console.log(line("goal", "", "", GOAL));
  console.log(line("limit", "", "", LIMIT));
  const command = commandSize();
  console.log(`\n${line("npx flagwire", command.raw, command.gzip, command.brotli)}`);
  console.log(line("limit", "", "", COMMAND_LIMIT));
  if (command.brotli > COMMAND_LIMIT) throw new Plain(`cli.wasm is ${command.brotli - COMMAND_LIMIT} bytes over the limit in scripts/lib/sizes.mjs.`);
  if (main.brotli > LIMIT) throw new Plain(`The main entry is ${main.brotli - LIMIT} bytes over the limit in scripts/lib/sizes.mjs.`);
});

/** @param {number} main bytes of the main entry */
async function entries(main) {
  console.log(line("brotli 11", "together", "more"));
  console.log(line("main", main, 0));
  for (const { name, together, more } of await entrySizes()) console.log(line(name, together, more));
}

async function write() {
  for (const path of writeFigures(new Map([...benchFigures(), ...(await sizeFigures())]))) console.log(path);
}

/** @param {import("./lib/steps.mjs").Step} step */
async function named(step) {
  const folder = join(root, "target", "why");
  const [bound, small] = [join(folder, "flagwire_bg.wasm"), join(folder, "small.wasm")];
  const command = process.argv.includes("--command");
  const raw = await compile(step, { names: true, ...(command && { crate: "flagwire-npm-cli" }) });
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

/** @param {...(string | number)} cells */
function line(...cells) {
  const [first, ...rest] = cells.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en") : cell));
  return first.padEnd(14) + rest.map((cell) => cell.padStart(11)).join("");
}
