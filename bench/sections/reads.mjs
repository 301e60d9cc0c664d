// What one read costs, with 1,000 flags.

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/lib/paths.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { openPage, startBrowser } from "../../tests/lib/browser.mjs";
import { bundle, serve } from "../lib/bundle.mjs";
import { bars } from "../lib/plot.mjs";
import { CLIENT_KEY, flagNames, flagsFile, startServer } from "../lib/server.mjs";
import { short, summary, table } from "../lib/stats.mjs";

const FLAGS = 1_000;

export const title = "Reads";

/**
 * @typedef {{ peer: string, ours: boolean, counting: boolean, pattern: "same" | "all", ns: number[] }} Samples
 * @typedef {{ samples: Samples[], failed: { peer: string, counting: boolean, reason: string }[] }} Result
 * @typedef {{ node: Result, chromium: Result, rounds: number, processes: number }} Data
 */

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {{ quick: boolean, say: (text: string) => void }} options
 * @returns {Promise<Data>}
 */
export async function measure(scope, { quick, say }) {
  const processes = quick ? 1 : 3;
  const options = { rounds: quick ? 2 : 12, sampleMs: quick ? 0.2 : 8 };
  const server = await startServer(scope, { flags: flagsFile(FLAGS) });
  const folder = await bundle(scope, { reads: `export { measure } from ${JSON.stringify(join(root, "bench/reads/measure.mjs"))};` });
  copyFileSync(join(root, "bench/node_modules/@flipt-io/flipt-client-js/dist/flipt_engine_wasm_js_bg.wasm"), join(folder, "flipt.wasm"));
  const pages = await serve(scope, folder, {
    extra: (request, response) => {
      if (!request.url?.startsWith("/sink")) return false;
      request.resume();
      response.writeHead(202, { "content-type": "application/json" }).end("{}");
      return true;
    },
  });
  const setting = { server: server.url, key: CLIENT_KEY, pages, flags: flagNames(FLAGS) };
  const browser = await startBrowser(scope);
  /** @type {Result[]} */
  const [node, chromium] = [[], []].map(() => ({ samples: [], failed: [] }));
  for (let round = 0; round < processes; round++) {
    say(`Node, process ${round + 1} of ${processes}`);
    merge(node, await inNode(join(folder, "reads.js"), setting, options));
    say(`Chromium, page ${round + 1} of ${processes}`);
    merge(chromium, await inChromium(scope, browser, pages, setting, options));
  }
  return { node, chromium, rounds: options.rounds, processes };
}

/** @param {string} file @param {object} setting @param {object} options @returns {Promise<Result>} */
async function inNode(file, setting, options) {
  const { code, output } = await run(process.execPath, [join(root, "bench/reads/node.mjs"), file, JSON.stringify(setting), JSON.stringify(options)], { cwd: root });
  const line = output.split("\n").find((line) => line.startsWith("RESULT "));
  if (code !== 0 || !line) throw new Error(`reads in Node ended with code ${code}:\n${output.slice(-2_000)}`);
  return JSON.parse(line.slice("RESULT ".length));
}

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {import("playwright-core").Browser} browser
 * @param {string} pages @param {object} setting @param {object} options
 * @returns {Promise<Result>}
 */
async function inChromium(scope, browser, pages, setting, options) {
  const page = await openPage(scope, browser, pages);
  const result = await page.evaluate(async ([setting, options]) => {
    // @ts-ignore the page's own script
    const { measure } = await import("/reads.js");
    return measure(setting, options);
  }, /** @type {const} */ ([setting, options]));
  await page.goto("about:blank");
  return result;
}

/** @param {Result} all @param {Result} more */
function merge(all, more) {
  for (const one of more.samples) {
    const known = all.samples.find(({ peer, counting, pattern }) => peer === one.peer && counting === one.counting && pattern === one.pattern);
    if (known) known.ns.push(...one.ns);
    else all.samples.push(one);
  }
  all.failed.push(...more.failed.filter(({ peer, counting }) => !all.failed.some((known) => known.peer === peer && known.counting === counting)));
}

/** @param {Data} data */
export function plots({ chromium }) {
  const rows = chromium.samples
    .filter(({ pattern }) => pattern === "all")
    .map(({ peer, counting, ours, ns }) => ({ label: `${peer}${counting ? ", counting" : ""}`, value: summary(ns).median, low: summary(ns).p25, high: summary(ns).p75, ours }))
    .sort((a, b) => a.value - b.value);
  return { "reads.svg": bars({ title: "Nanoseconds a read, 1,000 flags in turn, Chromium (logarithmic)", unit: "ns", log: true, rows }) };
}

/** @param {Data} data */
export function report({ node, chromium, rounds, processes }) {
  const keys = chromium.samples.filter(({ pattern }) => pattern === "all").map(({ peer, ours, counting }) => ({ peer, ours, counting }));
  const find = (/** @type {Result} */ result, /** @type {typeof keys[number]} */ key, /** @type {string} */ pattern) =>
    result.samples.find(({ peer, counting, pattern: other }) => peer === key.peer && counting === key.counting && pattern === other)?.ns;
  const cell = (/** @type {number[] | undefined} */ ns) => (ns ? `${short(summary(ns).min)} / ${short(summary(ns).median)}` : "–");
  const map = find(chromium, { peer: "bare Map.get", ours: false, counting: false }, "all");
  const rows = keys
    .map((key) => ({ key, ...summary(find(chromium, key, "all") ?? [Number.MAX_VALUE]) }))
    .sort((a, b) => a.median - b.median)
    .map(({ key, min, median }) => [
      key.ours ? `**${key.peer}**` : key.peer,
      key.counting ? "on" : "off",
      cell(find(chromium, key, "same")),
      cell(find(chromium, key, "all")),
      map ? `${short(min / summary(map).min)} / ${short(median / summary(map).median)} ×` : "–",
      cell(find(node, key, "same")),
      cell(find(node, key, "all")),
    ]);
  const failed = [...chromium.failed.map((one) => ({ where: "Chromium", ...one })), ...node.failed.map((one) => ({ where: "Node", ...one }))];
  return [
    `Nanoseconds a read of a boolean flag among 1,000, minimum / median of ${processes * rounds} samples (${rounds} rounds in each of ${processes} processes; all SDKs are loaded together and take turns). ` +
    "“Same” reads one flag again and again, “all” reads one after the other. “Counting” is the SDK's own record of reads: metrics, impressions, exposures or summaries. " +
    "Harness and Flagwire were served by flagwire-server, OFREP by its OFREP endpoint, the others by bootstrap or a stub reply.",
    table(["SDK", "counting", "Chromium, same", "Chromium, all", "to Map.get", "Node, same", "Node, all"], rows),
    "![Reads](plots/reads.svg)",
    "Flagsmith, GrowthBook, ConfigCat, OFREP and Flipt evaluate or read without a record of their own, so there is no row with counting on. Statsig keeps one exposure of a flag and user, Harness one of a flag in half a second; Flagwire counts every read.",
    ...(failed.length > 0 ? [`Not measured, or not in every process: ${failed.map(({ where, peer, counting, reason }) => `${peer}${counting ? " counting" : ""} in ${where} (${reason})`).join("; ")}.`] : []),
  ].join("\n\n");
}
