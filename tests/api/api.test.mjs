// What is public of the package and of the crates, compared with what it was when somebody last looked.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CRATES, publicApi, snapshots } from "../../scripts/lib/api.mjs";
import { root } from "../../scripts/lib/paths.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";
import { ask } from "../../scripts/lib/run.mjs";
import { publicItems } from "../../scripts/lib/rust-api.mjs";
import { tempDir } from "../lib/scope.mjs";

const HINT = "If that is meant, run `npm run api -- --write`, and say it in CHANGELOG.md";

const api = publicApi();
for (const [name, text] of Object.entries(api)) {
  test(`${name} says what is public`, () => {
    const path = join(snapshots, name);
    assert.ok(existsSync(path), `tests/api/${name} is missing. ${HINT}`);
    const [before, now] = [readFileSync(path, "utf8"), text].map((one) => one.split("\n"));
    const gone = before.filter((line) => !now.includes(line));
    const come = now.filter((line) => !before.includes(line));
    assert.deepEqual({ gone, come }, { gone: [], come: [] }, `The public API is another one. ${HINT}`);
    assert.ok(readFileSync(path, "utf8") === text, `The order of items is another one. ${HINT}`);
  });
}

test("nothing is compared with what is no more", () => {
  assert.deepEqual(readdirSync(snapshots).filter((file) => file.endsWith(".txt")).sort(), Object.keys(api).sort());
});

test("every export of the package leads to files that are packed", () => {
  const packed = (api["npm-files.txt"] ?? "").split("\n");
  const { exports: entries, main, module, types, bin } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"));
  /** @param {unknown} value @returns {string[]} */
  const targets = (value) => (typeof value === "string" ? [value] : Object.values(value ?? {}).flatMap(targets));
  const all = targets([entries, main, module, types, bin]);
  assert.ok(all.length > 30);
  for (const target of all) assert.ok(packed.includes(target.replace(/^\.\//, "")), target);
});

test("types for CommonJS say the same as those for modules", () => {
  const names = readdirSync(packageDir).filter((file) => file.endsWith(".d.ts") && file !== "flags.d.ts");
  assert.ok(names.length > 5);
  for (const name of names) {
    const common = readFileSync(join(packageDir, name.replace(/\.ts$/, ".cts")), "utf8");
    assert.equal(common.replace(/\.cjs"/g, '.js"'), readFileSync(join(packageDir, name), "utf8"), name);
  }
});

test("crates hold their own files alone, and of those what building and testing needs", () => {
  for (const name of Object.keys(CRATES).filter((name) => api[`${name}.txt`])) {
    const files = ask("cargo", ["package", "--list", "--offline", "--allow-dirty", "-p", name], { cwd: root })?.split("\n") ?? [];
    assert.ok(files.includes("src/lib.rs"), `cargo package --list -p ${name} fails`);
    // In particular nothing of node_modules, where there is a LICENSE in every folder.
    const others = files.filter((path) => !/^(?:src|tests|vectors|examples)\/|^(?:Cargo\.(?:toml(?:\.orig)?|lock)|README\.md|LICENSE|\.cargo_vcs_info\.json|[\w.-]+\.schema\.json)$/.test(path));
    assert.deepEqual(others, [], name);
  }
});

test("the listing of a crate has what is public, and nothing else", (t) => {
  const folder = tempDir(t);
  writeFileSync(
    join(folder, "lib.rs"),
    `//! pub fn in_a_comment() {}
mod inner; pub mod open { pub const TEXT: &str = "{ pub fn in_a_text() {} }"; const OWN: u8 = 1; }
pub use inner::{Shape, Tuple};
#[derive(Clone)]
#[non_exhaustive]
#[serde(rename_all = "camelCase")]
pub struct Point<'a> { pub x: &'a str, y: Option<Vec<(u8, char)>>, pub(crate) z: u8 }
impl<'a> Point<'a> { #[must_use] pub const fn new(
    x: &'a str,
) -> Self { let brace = '{'; Self { x, y: None, z: 0 } } fn hidden(&self) {} pub(crate) fn half(&self) {} }
impl Drop for Hidden { fn drop(&mut self) {} }
impl<T: Speaks> From<T> for Point<'_> { fn from(_: T) -> Self { todo!() } }
impl Clone for Shape { fn clone(&self) -> Self { todo!() } }
pub trait Speaks { type Word: Default; fn say(&self) -> Self::Word; fn shout(&self) { self.say(); } }
#[cfg(feature = "loud")] pub fn loud() where u8: Copy {}
#[cfg(test)] mod tests { pub fn in_a_test() {} }
pub type Pair<T = u8> = (T, T);
`,
  );
  writeFileSync(join(folder, "inner.rs"), "pub enum Shape { Round { radius: f64 }, Named(String, u8), None }\npub struct Tuple(pub u8, u16);\nfn own() {}\n");
  assert.deepEqual(publicItems(join(folder, "lib.rs")).join("\n").trim().split("\n"), [
    "crate",
    "  pub mod open",
    "  pub use inner::{Shape, Tuple}",
    "  #[derive(Clone)] #[non_exhaustive] pub struct Point<'a>",
    "      pub x: &'a str",
    "  impl<'a> Point<'a>",
    "      #[must_use] pub const fn new(x: &'a str) -> Self",
    "  impl<T: Speaks> From<T> for Point<'_>",
    "  impl Clone for Shape",
    "  pub trait Speaks",
    "      type Word: Default",
    "      fn say(&self) -> Self::Word",
    "      fn shout(&self)",
    '  #[cfg(feature = "loud")] pub fn loud() where u8: Copy',
    "  pub type Pair<T = u8> = (T, T)",
    "",
    "crate::inner",
    "  pub enum Shape",
    "      Round { radius: f64 }",
    "      Named(String, u8)",
    "      None",
    "  pub struct Tuple(pub u8, _)",
    "",
    "crate::open",
    "  pub const TEXT: &str",
  ]);
});
