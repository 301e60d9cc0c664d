// Figures that documents quote, compared with what is measured.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { benchFigures, documents, fill, sizeFigures, wrong } from "../../scripts/lib/figures.mjs";
import { root } from "../../scripts/lib/paths.mjs";

test("documents say what is measured; otherwise `npm run size -- --write` writes it", async () => {
  const figures = new Map([...benchFigures(), ...(await sizeFigures())]);
  let marked = 0;
  for (const path of documents()) {
    const text = readFileSync(join(root, path), "utf8");
    marked += text.split("<!--/-->").length - 1;
    assert.deepEqual(wrong(text, figures), [], path);
  }
  assert.ok(marked > 40, `${marked}`);
});

test("tables of sizes are written by the script alone", () => {
  for (const path of ["README.md", "docs/COMPARISON.md"]) {
    // A row whose cell is a number of bytes.
    const rows = readFileSync(join(root, path), "utf8").split("\n").filter((line) => /^\|.*\d,\d{3}/.test(line));
    assert.ok(rows.length >= 6, path);
    for (const row of rows) assert.doesNotMatch(row.replace(/<!--[\w./-]+-->[^<]*<!--\/-->/g, ""), /\d,\d{3}/, path);
  }
});

test("a size may be off by a hundredth, another figure not at all", () => {
  const figures = new Map([["size.main", "10,000"], ["size.limit", "10,000"], ["size.entry.vue.more", "800"], ["bench.reads.all", "1.5"]]);
  const said = (/** @type {string} */ name, /** @type {string} */ text) => wrong(`| <!--${name}-->${text}<!--/--> |`, figures);
  assert.deepEqual(said("size.main", "9,901"), []);
  assert.deepEqual(said("size.main", "9,899"), ["size.main is 10,000, and the document says 9,899"]);
  assert.equal(said("size.limit", "9,999").length, 1);
  assert.deepEqual(said("size.entry.vue.more", "900"), []);
  assert.equal(said("size.entry.vue.more", "1,000").length, 1);
  assert.equal(said("bench.reads.all", "1.4").length, 1);
  assert.deepEqual(said("size.mian", "1"), ["size.mian is measured by nothing"]);
  assert.equal(fill("<!--size.main-->1<!--/--> and <!--size.mian-->2<!--/-->", figures), "<!--size.main-->10,000<!--/--> and <!--size.mian-->2<!--/-->");
});
