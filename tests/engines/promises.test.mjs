// The table of docs/RELIABILITY.md says what the tests of this folder expect.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { PROMISES } from "./promises.mjs";

test("the document names each promise, its tests, and each engine's limits", () => {
  const text = readFileSync(join(root, "docs", "RELIABILITY.md"), "utf8");
  const [, section = ""] = /^## In three engines\n([^]*?)^## /m.exec(text) ?? assert.fail("there is no such section");
  const rows = section.split("\n").filter((line) => line.startsWith("|")).slice(2);
  const wanted = PROMISES.map(({ promise, tests, limits }) => `| ${promise} | \`${tests} …\` | ${["chromium", "firefox", "webkit"].map((name) => limits?.[/** @type {"firefox"} */ (name)] ?? "yes").join(" | ")} |`);
  assert.deepEqual(rows, wanted);
});

for (const { promise, tests } of PROMISES) {
  test(`there are tests of: ${promise}`, () => {
    const [file = "", name = ""] = tests.split(": ", 2);
    const text = readFileSync(join(root, "tests", "engines", `${file}.test.mjs`), "utf8");
    assert.match(text, new RegExp(`(?:test|describe)\\(\\s*["\`]${name}`), tests);
  });
}
