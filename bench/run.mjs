// `npm run bench [-- --only size,reads,start,change,memory,server] [-- --quick] [-- --out FOLDER]`
//
// Measures Flagwire and the published peers and writes RESULTS.md, results.json and plots/. Sections that are not run keep
// what was measured before, each with its own date and commit. `--quick` proves that everything works, with counts too small to
// say anything; its results go to a folder for the purpose.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { npmInstall } from "../scripts/lib/npm.mjs";
import { benchFigures, writeFigures } from "../scripts/lib/figures.mjs";
import { root } from "../scripts/lib/paths.mjs";
import { Plain } from "../scripts/lib/run.mjs";
import { script } from "../scripts/lib/steps.mjs";
import { packageDir } from "../scripts/lib/products.mjs";

const bench = join(root, "bench");
const NAMES = ["size", "reads", "start", "change", "memory", "server"];

await script(async () => {
  const { values } = parseArgs({
    options: { only: { type: "string" }, quick: { type: "boolean", default: false }, out: { type: "string" }, note: { type: "string" }, commit: { type: "string" } },
  });
  const { quick, note } = values;
  // `--note` goes into the report; `--commit` says what is measured where git cannot know, such as builds brought along.
  const wanted = values.only?.split(",") ?? NAMES;
  const unknown = wanted.filter((name) => !NAMES.includes(name));
  if (unknown.length > 0) throw new Plain(`No section is called ${unknown.join(" or ")}. There are: ${NAMES.join(", ")}.`);
  if (!existsSync(join(packageDir, "package.json"))) throw new Plain("There is no pkg/ yet; run `npm run build` first.");
  await npmInstall(bench);

  // Only now: they import what was just installed.
  const { render } = await import("./lib/render.mjs");
  const { commit, load, machine } = await import("./lib/machine.mjs");
  const out = resolve(values.out ?? (quick ? join(tmpdir(), "flagwire-bench-quick") : bench));
  mkdirSync(join(out, "plots"), { recursive: true });
  const file = join(out, "results.json");
  /** @type {import("./lib/render.mjs").Results} */
  const results = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { sections: {} };

  for (const name of NAMES.filter((name) => wanted.includes(name))) {
    const section = await import(`./sections/${name}.mjs`);
    console.log(`\n── ${section.title} ──`);
    const started = Date.now();
    const [before, ends] = [load(), /** @type {(() => Promise<void>)[]} */ ([])];
    const scope = { after: (/** @type {() => Promise<void>} */ fn) => void ends.push(fn) };
    try {
      const data = await section.measure(scope, { quick, say: (/** @type {string} */ text) => console.log(`   ${text}`) });
      const seconds = Math.round((Date.now() - started) / 1000);
      results.sections[name] = { date: new Date().toISOString().slice(0, 10), commit: values.commit ?? commit(), quick, note, load: [before, load()], seconds, data };
    } finally {
      for (const end of ends) await end();
    }
    results.machine = await machine();
    // After each section: a run that is broken off later has not been for nothing.
    writeFileSync(file, `${JSON.stringify(results, round)}\n`);
    console.log(section.report(results.sections[name].data));
  }
  await render(results, out);
  console.log(`\nWritten: ${join(out, "RESULTS.md")}`);
  // Documents quote what is kept.
  if (out === resolve(bench)) { for (const path of writeFigures(benchFigures())) console.log(`Written: ${path}`); }
});

/**
 * Samples are kept to a thousandth of their unit.
 *
 * @param {string} _
 * @param {unknown} value
 */
function round(_, value) {
  return typeof value === "number" && !Number.isInteger(value) ? Math.round(value * 1000) / 1000 : value;
}
