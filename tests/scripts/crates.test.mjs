// What the workspace's crates promise to those who depend on them, by their manifests and sources.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";

/**
 * @typedef {{ name: string, kind: string | null, path?: string, req: string }} Dependency
 * @typedef {{ name: string, publish: string[] | null, features: Record<string, string[]>, dependencies: Dependency[], targets: { kind: string[] }[] }} Crate
 */

/** @type {Crate[]} */
const crates = JSON.parse(execFileSync("cargo", ["metadata", "--no-deps", "--format-version=1"], { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 })).packages;
const isPublished = (/** @type {Crate | undefined} */ { publish } = assert.fail("no such crate")) => publish === null;
const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".rs"));

test("the crate flagwire is a plain library that no feature takes anything from", () => {
  const flagwire = crates.find(({ name }) => name === "flagwire") ?? assert.fail("there is no crate flagwire");
  const kinds = flagwire.targets.flatMap(({ kind }) => kind).filter((kind) => !["example", "test"].includes(kind));
  assert.deepEqual(kinds, ["lib"]);
  assert.ok(sources.includes("lib.rs"));
  for (const name of sources) {
    const text = readFileSync(join(root, "src", name), "utf8");
    assert.doesNotMatch(text, /cfg(_attr)?\(.*not\(feature/, `${name} cuts something out where a feature is on`);
    assert.doesNotMatch(text, /global_allocator/, `${name} chooses the application's allocator`);
    // What a dependency exports is exported by every application's module.
    for (const [, item] of text.matchAll(/^#\[wasm_bindgen[^\]]*\]\s*(.*)$/gm)) assert.match(item, /^extern "C"/, `${name} exports something to JavaScript`);
  }
});

test("what is published depends on what is published, by a version", () => {
  assert.ok(crates.filter(isPublished).length > 1);
  for (const crate of crates.filter(isPublished)) {
    for (const { name, kind, path, req } of crate.dependencies) {
      if (path === undefined || kind === "dev") continue;
      assert.ok(isPublished(crates.find((other) => other.name === name)), `${crate.name} is published and needs ${name}, which is not`);
      assert.notEqual(req, "*", `${crate.name} names no version of ${name}`);
    }
  }
});

test("modules that a package ships are not published as crates", () => {
  const modules = crates.filter(({ targets }) => targets.some(({ kind }) => kind.includes("cdylib")));
  assert.ok(modules.some(({ name }) => name === "flagwire-npm-client"));
  for (const { name, publish } of modules) assert.deepEqual(publish, [], `${name} lacks "publish = false"`);
});
