// Figures in documents, each between marks that name it: `<!--size.main-->14,775<!--/-->`. Scripts that measure write them.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { quantile } from "../../bench/lib/stats.mjs";
import { root } from "./paths.mjs";
import { COMMAND_LIMIT, commandSize, entrySizes, GOAL, LIMIT, mainSizes } from "./sizes.mjs";

const MARKED = /<!--([a-z][\w./-]*)-->([^<\n]*)<!--\/-->/g;
/** How far a size in a document may be from a fresh one: compilers of another version make some bytes more or less. */
const TOLERANCE = 0.01;

/**
 * @param {string} text of a document
 * @param {ReadonlyMap<string, string>} figures those that are known; others stay
 */
export function fill(text, figures) {
  return text.replace(MARKED, (whole, name, old) => `<!--${name}-->${figures.get(name) ?? old}<!--/-->`);
}

/** The project's documents. @returns {string[]} */
export function documents() {
  return execFileSync("git", ["ls-files", "*.md"], { cwd: root, encoding: "utf8" }).trim().split("\n");
}

/** @param {ReadonlyMap<string, string>} figures @returns {string[]} the documents that said something else */
export function writeFigures(figures) {
  return documents().filter((path) => {
    const text = readFileSync(join(root, path), "utf8");
    const filled = fill(text, figures);
    if (filled !== text) writeFileSync(join(root, path), filled);
    return filled !== text;
  });
}

/**
 * The figures of a document that are not what they should be.
 *
 * @param {string} text
 * @param {ReadonlyMap<string, string>} figures
 * @returns {string[]}
 */
export function wrong(text, figures) {
  return [...text.matchAll(MARKED)].flatMap(([, name = "", written = ""]) => {
    const fresh = figures.get(name);
    if (fresh === undefined) return `${name} is measured by nothing`;
    const [is, was] = [fresh, written].map((one) => Number(one.replaceAll(",", "").replace("−", "-")));
    // A difference of two sizes moves with both of them.
    const room = name.endsWith(".more") ? TOLERANCE * LIMIT : TOLERANCE * Math.abs(is);
    const near = name.startsWith("size.") && !["size.limit", "size.goal", "size.command.limit"].includes(name) ? Math.abs(is - was) <= room : fresh === written;
    return near ? [] : `${name} is ${fresh}, and the document says ${written}`;
  });
}

/** What `npm run size` measures. @returns {Promise<Map<string, string>>} */
export async function sizeFigures() {
  const { javascript, wasm, main } = await mainSizes();
  /** @type {[string, number][]} */
  const figures = [["size.limit", LIMIT], ["size.goal", GOAL], ["size.main", main.brotli], ["size.command", commandSize().brotli], ["size.command.limit", COMMAND_LIMIT]];
  for (const [name, size] of Object.entries({ javascript, wasm, main })) {
    for (const [unit, bytes] of Object.entries(size)) figures.push([`size.${name}.${unit}`, bytes]);
  }
  for (const { name, together, more } of await entrySizes()) figures.push([`size.entry.${name}`, together], [`size.entry.${name}.more`, more]);
  return new Map(figures.map(([name, bytes]) => [name, bytes.toLocaleString("en")]));
}

/**
 * @typedef {{ name: string, brotli: number }} Weight
 * @typedef {{ peer: string, counting: boolean, pattern: string, ns: number[] }} Reads
 * @typedef {{ sdk: string, flags: number, latency: number, ready: number[] }} Start
 */

/** What `npm run bench` has left in bench/results.json, as far as documents quote it. @returns {Map<string, string>} */
export function benchFigures() {
  const { sections } = JSON.parse(readFileSync(join(root, "bench", "results.json"), "utf8"));
  const figures = new Map();
  /** @type {Weight[]} */
  const weights = sections.size.data.rows;
  for (const { name, brotli } of weights) figures.set(`bench.size.${slug(name)}`, brotli.toLocaleString("en"));
  /** @type {Reads[]} */
  const reads = sections.reads.data.chromium.samples;
  for (const pattern of ["same", "all"]) {
    const nanoseconds = (/** @type {string} */ peer) => quantile(reads.find((one) => one.pattern === pattern && one.peer === peer && one.counting === (peer === "Flagwire"))?.ns ?? [], 0.5);
    figures.set(`bench.reads.${pattern}`, (nanoseconds("Flagwire") / nanoseconds("bare Map.get")).toFixed(1));
  }
  /** @type {Start[]} */
  const starts = sections.start.data.cases;
  for (const ours of starts.filter(({ sdk }) => sdk === "flagwire")) {
    const theirs = starts.find(({ sdk, flags, latency }) => sdk === "harness" && flags === ours.flags && latency === ours.latency);
    figures.set(`bench.start.${ours.flags}${ours.latency ? ".latency" : ""}`, (quantile(ours.ready, 0.5) / quantile(theirs?.ready ?? [], 0.5)).toFixed(2));
  }
  const { delays, steady } = sections.change.data;
  for (const [name, carried] of /** @type {const} */ ([["carried", true], ["refetched", false]])) {
    // Of our two transports the slower one.
    figures.set(`bench.steady.${name}`, Math.max(...beside(steady, carried, 0.5)).toFixed(2));
    figures.set(`bench.steady.${name}.p99`, Math.max(...beside(steady, carried, 0.99)).toFixed(2));
  }
  const all = [...beside(delays, true, 0.5), ...beside(delays, false, 0.5)];
  figures.set("bench.change.least", Math.min(...all).toFixed(2)).set("bench.change.most", Math.max(...all).toFixed(2));
  return figures;
}

/**
 * What each of our transports takes, with what Harness's SDK takes as one.
 *
 * @param {{ ours: boolean, carried: boolean, fromWire: number[] }[]} measured
 * @param {boolean} carried whether the value is in the event
 * @param {number} share of the samples that took less
 */
function beside(measured, carried, share) {
  const same = measured.filter((one) => one.carried === carried);
  const theirs = quantile(same.find(({ ours }) => !ours)?.fromWire ?? [], share);
  return same.filter(({ ours }) => ours).map(({ fromWire }) => quantile(fromWire, share) / theirs);
}

/** @param {string} name */
function slug(name) {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}
