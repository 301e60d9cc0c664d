// `npm run chaos -- --seed N --minutes M`: storms from seed N on, until M minutes have passed. Prints each storm's seed; where one
// ends badly, what happened is in the file that is named.

import { appendFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startBrowser } from "../lib/browser.mjs";
import { storm } from "./world.mjs";

const { values } = parseArgs({ options: { seed: { type: "string" }, minutes: { type: "string" } } });
const first = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const minutes = Number(values.minutes ?? 5);
if (!Number.isSafeInteger(first) || !(minutes > 0)) {
  console.error("Usage: npm run chaos -- [--seed WHOLE-NUMBER] [--minutes NUMBER]");
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "flagwire-chaos-"));
const end = Date.now() + minutes * 60_000;
let failed = 0;
/** @type {(() => Promise<void>)[]} */
const ends = [];
const browser = await startBrowser({ after: (fn) => void ends.push(fn) });
for (let seed = first; Date.now() < end; seed += 1) {
  /** @type {(() => Promise<void>)[]} */
  const after = [];
  const logFile = join(folder, `seed-${seed}.log`);
  try {
    const result = await storm({ after: (fn) => void after.push(fn) }, browser, { seed, stormMs: 20_000, logFile });
    console.log(`seed ${seed}: well after ${result.healedMs} ms; ${result.requests} requests, ${result.changes} changes told, ${result.reads} reads made, ${result.counted} counted`);
  } catch (error) {
    failed += 1;
    appendFileSync(logFile, `FAILED: ${error instanceof Error ? error.message : String(error)}\n`);
    console.log(`seed ${seed}: FAILED, see ${logFile}\n${String(error instanceof Error ? error.message : error).split("\n").slice(0, 12).join("\n")}`);
  }
  for (const fn of after) await fn();
}
for (const fn of ends) await fn();
console.log(failed ? `${failed} failed` : "none failed");
// Storms may have left timers behind that nobody waits for.
process.exit(failed ? 1 : 0);
