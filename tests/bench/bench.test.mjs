// Proves that the benchmark suite works, with counts too small to measure anything. Nothing here depends on how fast it is.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { everything } from "../lib/everything.mjs";
import { serverBinary } from "../lib/server.mjs";
import { bars } from "../../bench/lib/plot.mjs";
import { interleaved, quantile, short, summary, table } from "../../bench/lib/stats.mjs";

const out = mkdtempSync(join(tmpdir(), "flagwire-bench-"));
after(() => rmSync(out, { recursive: true, force: true }));

/** @param {...string} sections */
async function bench(...sections) {
  // The debug build that the other suites use serves well enough where nothing is timed.
  const env = { ...process.env, FLAGWIRE_SERVER: serverBinary() };
  const { code, output } = await run(process.execPath, [join(root, "bench/run.mjs"), "--quick", "--out", out, "--only", sections.join(",")], { cwd: root, env });
  assert.equal(code, 0, output.slice(-3_000));
  return { results: JSON.parse(readFileSync(join(out, "results.json"), "utf8")).sections, text: readFileSync(join(out, "RESULTS.md"), "utf8") };
}

test("weighs every SDK, WebAssembly counted", async () => {
  const { results, text } = await bench("size");
  const rows = /** @type {{ name: string, raw: number, gzip: number, brotli: number }[]} */ (results.size.data.rows);
  for (const name of ["Flagwire", "Harness", "Unleash", "Flagsmith", "OpenFeature + OFREP", "GrowthBook", "LaunchDarkly v3", "LaunchDarkly v4", "ConfigCat", "Statsig", "Flipt slim", "Flipt default"]) {
    const row = rows.find((row) => row.name === name);
    assert.ok(row && row.raw > row.gzip && row.gzip > row.brotli && row.brotli > 1_000, `${name}: ${JSON.stringify(row)}`);
    assert.ok(text.includes(name), `${name} is missing in RESULTS.md`);
  }
  const bytes = (/** @type {string} */ name) => rows.find((row) => row.name === name)?.raw ?? 0;
  assert.ok(bytes("Flagwire") > readFileSync(join(root, "pkg/flagwire.wasm")).length, "the WebAssembly is not counted");
  assert.ok(bytes("Flipt slim") > 400_000, "Flipt's WebAssembly is not counted");
  assert.match(readFileSync(join(out, "plots/size.svg"), "utf8"), /^<svg[^]*<\/svg>\n$/);
});

test("reads the right values of every SDK in Node and in Chromium", async () => {
  const { results } = await bench("reads");
  const { node, chromium } = results.reads.data;
  // A read that gives wrong values fails its SDK's set-up, which is reported here with the reason.
  assert.deepEqual([node.failed, chromium.failed], [[], []]);
  assert.deepEqual(
    chromium.samples.map((/** @type {{ peer: string }} */ { peer }) => peer),
    node.samples.map((/** @type {{ peer: string }} */ { peer }) => peer),
  );
});

// Twenty seconds: the longest of these, and nothing that users get.
test("starts and holds both SDKs, and every event reaches the listener", { skip: !everything && "in `npm test -- all`" }, async () => {
  const { results, text } = await bench("start", "memory");
  assert.equal(results.start.data.cases.length, 4);
  for (const { told } of results.memory.data.aged) assert.equal(told, 20, "each event reaches the listener");
  const wasm = results.memory.data.held.map((/** @type {{ sdk: string, one: { wasm: number }[] }} */ { sdk, one }) => [sdk, one[0].wasm > 0]);
  assert.deepEqual(wasm, [["flagwire", true], ["harness", false]]);
  assert.ok(text.includes("a quick run, which says nothing"), "a quick run must not pass for a measurement");
  assert.ok(existsSync(join(out, "plots/start.svg")));
});

test("refuses a section that there is not", async () => {
  const { code, output } = await run(process.execPath, [join(root, "bench/run.mjs"), "--only", "speed"], { cwd: root });
  assert.notEqual(code, 0);
  assert.match(output, /No section is called speed. There are: size, reads/);
});

test("sums up samples", () => {
  assert.deepEqual(summary([4, 1, 3, 2, 5]), { n: 5, min: 1, p25: 2, median: 3, p75: 4, p99: quantile([4, 5], 0.96), max: 5 });
  assert.equal(quantile([10], 0.99), 10);
  assert.throws(() => summary([]), /no summary/);
  assert.throws(() => summary([1, Number.NaN]), /no summary/);
  assert.deepEqual([1234.5, 12.345, 1.2345, 0.12345, -5.5].map(short), ["1,235", "12.3", "1.23", "0.123", "-5.5"]);
  assert.equal(table(["a", "b"], [["x", 1]]), "| a | b |\n| --- | --: |\n| x | 1 |");
  const orders = [0, 1, 2, 3, 4, 5].map((round) => interleaved(["a", "b", "c"], round).join(""));
  assert.deepEqual(orders, ["abc", "bca", "cab", "cba", "acb", "bac"]);
});

test("draws bars to scale", () => {
  const widths = (/** @type {string} */ svg) => [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));
  const rows = [
    { label: "a <b>", value: 50 },
    { label: "c", value: 100 },
  ];
  const plain = bars({ title: "t", unit: "u", rows });
  assert.equal(widths(plain)[1] / widths(plain)[0], 2);
  assert.ok(plain.includes("a &lt;b>"), "labels are escaped");
  assert.throws(() => bars({ title: "t", unit: "u", rows: [] }), /nothing to plot/);
});
