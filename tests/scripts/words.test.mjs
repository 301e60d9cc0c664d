// CONTRIBUTING's list of words that are not used, and the comments and documents.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { commentsOf } from "../lib/comments.mjs";

const contributing = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
const table = /^\| not \| but \|\n[^]*?\n\n/m.exec(contributing)?.[0] ?? "";
const words = [...table.matchAll(/^\| (`[^|]*)\|/gm)].flatMap(([, cell = ""]) => [...cell.matchAll(/`(\w+)`/g)].map(([, word]) => word));
const unwanted = new RegExp(`\\b(?:${words.join("|")})s?\\b`, "i");

test("comments and documents do without the words that CONTRIBUTING replaces", () => {
  assert.ok(words.length > 10, words.join());
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" }).trim().split("\n");
  /** @type {string[]} */
  const found = [];
  let read = 0;
  for (const file of files.filter((path) => existsSync(join(root, path)))) {
    const text = readFileSync(join(root, file), "utf8").replace(file === "CONTRIBUTING.md" ? table : "", "");
    const lines = file.endsWith(".md") ? text.split("\n").map((line, index) => ({ text: line, line: index + 1 })) : commentsOf(file, text);
    read += lines.length;
    // A name in code is spelled as the code has it, and a type is no sentence.
    for (const { text: comment, line } of lines) if (unwanted.test(comment.replace(/`[^`]*`|@\w+ \{.*\}/g, ""))) found.push(`${file}:${line}: ${comment}`);
  }
  assert.ok(read > 5_000, `${read}`);
  assert.deepEqual(found, []);
});

test("comments are distinguished from code and texts", () => {
  /** @type {[string, string, string[]][]} */
  const cases = [
    ["a.ts", 'const a = "// no"; // yes\nconst b = /["/*]/g.test(`/* no */`); /* one\n * two */', ["yes", "one", "two"]],
    ["a.mjs", "const half = a / b; // yes\nconst other = c / d;", ["yes"]],
    ["a.rs", "/// Doc.\nfn a<'a>(x: &'a str) -> char { let _ = r#\"// no\"#; '\"' } // yes \"", ["Doc.", 'yes "']],
    ["a.toml", 'a = "# no" # yes', ["yes"]],
    ["a.html", "<p>no</p><!-- yes -->", ["yes"]],
  ];
  for (const [path, source, wanted] of cases) assert.deepEqual(commentsOf(path, source).map(({ text }) => text), wanted, path);
});
