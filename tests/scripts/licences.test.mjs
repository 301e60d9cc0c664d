// What `cargo deny` would say of licences and bans, for every run: deny.toml against what the lock file resolves to. The tool itself
// is called by `npm run release`, where it is installed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { ask } from "../../scripts/lib/run.mjs";

const rules = readFileSync(join(root, "deny.toml"), "utf8");
const allowed = [...(/^allow = \[([^]*?)^\]/m.exec(rules)?.[1] ?? "").matchAll(/"([^"]+)"/g)].map(([, name]) => name ?? "");
const banned = [...rules.matchAll(/\{ crate = "([^"]+)" \}/g)].map(([, name]) => name ?? "");

/** Whether a licence expression can be met. @param {string} expression @param {readonly string[]} known */
function isAllowed(expression, known) {
  const words = expression.replaceAll("/", " OR ").match(/[()]|[\w.+-]+(?: WITH [\w.-]+)?/g) ?? [];
  let at = 0;
  /** @returns {boolean} */
  const one = () => {
    const word = words[at++] ?? "";
    if (word !== "(") return known.includes(word);
    const inner = either();
    at += 1;
    return inner;
  };
  const both = () => {
    let met = one();
    for (; words[at] === "AND"; met = one() && met) at += 1;
    return met;
  };
  const either = () => {
    let met = both();
    for (; words[at] === "OR"; met = both() || met) at += 1;
    return met;
  };
  return either();
}

test("a licence expression is met as it says", () => {
  const known = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
  for (const met of ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "MIT AND ISC", "(GPL-3.0 OR MIT) AND ISC", "Apache-2.0 WITH LLVM-exception"]) assert.ok(isAllowed(met, known), met);
  for (const unmet of ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "(GPL-3.0 OR MPL-2.0) AND MIT", ""]) assert.ok(!isAllowed(unmet, known), unmet);
});

test("every crate has a licence that deny.toml allows, comes from the registry, and is not banned", () => {
  const text = ask("cargo", ["metadata", "--format-version", "1", "--locked", "--all-features"], { cwd: root, maxBuffer: 1 << 28 });
  /** @type {{ packages: { name: string, version: string, license: string | null, source: string | null }[] }} */
  const { packages } = JSON.parse(text ?? "{}");
  assert.ok(packages.length > 200, `${packages.length}`);
  assert.ok(allowed.length > 5 && banned.length > 2);
  for (const { name, version, license, source } of packages) {
    const crate = `${name} ${version}`;
    assert.ok(isAllowed(license ?? "", allowed), `${crate} has the licence ${license}`);
    assert.ok(!banned.includes(name), `${crate} is banned`);
    assert.ok(source === null || source.startsWith("registry+"), `${crate} comes from ${source}`);
  }
});
