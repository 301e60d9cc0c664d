// docs/ERRORS.md and what the client says, compared.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { root } from "../../scripts/lib/paths.mjs";
import { tempDir } from "../lib/scope.mjs";

const page = readFileSync(join(root, "docs", "ERRORS.md"), "utf8");
/** The page in one line for each quoted message. */
const quoted = [...page.matchAll(/^> (.*)$/gm)].map(([, text]) => text);
const documented = [...page.matchAll(/^### ([a-z-]+)$/gm)].map(([, code]) => String(code));

/** What belongs to each code, as the page names it. @type {Record<string, unknown[][]>} */
const SAMPLES = {
  "invalid-target": [["WHY"]],
  option: [["NAME", "WANTED", "USED"]],
  evaluations: [["WHAT"]],
  timeout: [["MILLISECONDS"]],
  cache: [["WHY"]],
  load: [["WHY"]],
  "javascript-build": [["WHY"]],
  internal: [["WHY"]],
  "unknown-flag": [["FLAG"], ["FLAG", undefined, false, ["FLAGS"]]],
  "wrong-type": [["FLAG", { value_: 7 }, "text"]],
  "wrong-value": [["FLAG", { evaluation_: { kind: "KIND", value: "VALUE" } }]],
};
const FAILURES = ["network", "timeout", "malformed", "bad-request", "unauthorized", "not-found", "too-large", "throttled", "server", "status"];
const EVENTS = ["auth error", "fetch flags error", "fetch flag error", "stream error", "metrics error"];

/** @param {import("../lib/scope.mjs").Scope} t @returns {Promise<Record<string, (...data: unknown[]) => string>>} */
async function sentences(t) {
  const outfile = join(tempDir(t), "sentences.mjs");
  await build({ entryPoints: [join(root, "pkg-template", "src", "sentences.ts")], bundle: true, format: "esm", outfile, logLevel: "error" });
  return (await import(pathToFileURL(outfile).href)).sentences;
}

test("every code is described in docs/ERRORS.md, and nothing else is", async (t) => {
  assert.deepEqual([...documented].sort(), Object.keys(await sentences(t)).sort());
});

test("every message stands in docs/ERRORS.md as it is said", async (t) => {
  for (const [code, say] of Object.entries(await sentences(t))) {
    const failures = FAILURES.includes(code) ? EVENTS.flatMap((event) => [undefined, 401, 403].flatMap((status) => [undefined, "WHY"].map((thrown) => [event, "ADDRESS", status, undefined, thrown]))) : [];
    // A request that got no answer threw something; a stream may end without.
    const known = failures.filter(([event, , , , thrown]) => thrown || code !== "network" || event === "stream error");
    for (const data of [...(SAMPLES[code] ?? (failures.length ? [] : [[]])), ...known]) {
      const text = say(...data).replace(/^.* ADDRESS failed(?: with status \d+)?: /, "");
      assert.ok(quoted.includes(text), `docs/ERRORS.md lacks "${text}" below ${code}`);
    }
  }
});

test("the codes of the core and of the API for Rust are among them", () => {
  for (const file of ["crates/core/src/error.rs", "src/error.rs"]) {
    const source = readFileSync(join(root, file), "utf8");
    const code = /fn code\([^]*?\n {4}\}\n/.exec(source)?.[0] ?? "";
    const codes = [...code.matchAll(/=> "([a-z-]+)"/g)].map(([, name]) => String(name));
    assert.ok(codes.length > 5, file);
    for (const name of codes) assert.ok(documented.includes(name), `docs/ERRORS.md lacks ${name} of ${file}`);
  }
});

test("links from messages lead to headings of the page", async () => {
  const { FlagwireError, initialize } = await import(pathToFileURL(join(root, "pkg", "node.js")).href);
  assert.throws(() => initialize(""), (error) => {
    assert.ok(error instanceof FlagwireError);
    const [, code] = /ERRORS\.md#([a-z-]+)$/.exec(/** @type {Error} */ (error).message) ?? [];
    return code === "missing-key" && documented.includes(code);
  });
});

test("bundlers get sentences while developing, and codes for production", async () => {
  const { packageDir } = await import("../../scripts/lib/products.mjs");
  for (const [conditions, wanted] of /** @type {[string[], boolean][]} */ ([[["development"], true], [["production"], false], [[], false]])) {
    const stdin = { contents: 'export { initialize } from "flagwire";', resolveDir: packageDir };
    const { outputFiles } = await build({ stdin, bundle: true, format: "esm", platform: "browser", conditions, external: ["./fallback.js"], write: false, logLevel: "error" });
    assert.equal(outputFiles[0]?.text.includes("pass a client key of your environment"), wanted, conditions.join());
  }
});
