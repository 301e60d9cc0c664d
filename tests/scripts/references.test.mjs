// Documents and comments name files, folders, commands and items of the project: each has to be there.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { suites } from "../../scripts/lib/suites.mjs";
import { commentsOf } from "../lib/comments.mjs";

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" }).trim().split("\n").filter((path) => existsSync(join(root, path)));
const folders = new Set(files.flatMap((path) => path.split("/").map((_, index, parts) => parts.slice(0, index).join("/"))));
const documents = files.filter((path) => path.endsWith(".md"));
/** Everything that is there, with each of the ways to name it: by its whole path or by the end of it. */
const known = new Set([...files, ...folders].flatMap((path) => path.split("/").map((_, index, parts) => parts.slice(index).join("/"))));
for (const path of readdirSync(join(root, "pkg"), { recursive: true, encoding: "utf8" })) known.add(path).add(`pkg/${path}`);
const top = new Set(files.filter((path) => path.includes("/")).map((path) => path.split("/")[0]));

/** What builds and programs make. The package's own files are looked up where they are built. */
const MADE = /^(?:target|node_modules|dist|\.flagwire|\.next)\//;
/** Names of no file here: of readers' projects, of other people's packages, and what stands for any name. */
const ELSEWHERE = new Set([
  ...["flags.yaml", "..data/flags.yaml", "flagwire.yaml", "flagwire-flags.d.ts", "NAME.yaml", "versions-ENVIRONMENT.json", "source-ENVIRONMENT.json", ".cargo/config.toml"],
  ...["app/page.tsx", "bindings.js", "x.rs", "x.test.mjs", ".d.ts", "a.html", "a.js", "other.html"],
  // The protocol's own description, in OpenFeature's repository.
  "service/openapi.yaml",
]);

const PATH = /(?<![\w/:.@$}*-])(?:\.{1,2}\/)*[\w@.-]+(?:\/[\w@.*[\]-]+)*(?:\/|\.(?:rs|ts|tsx|mjs|cjs|js|jsx|json|toml|ya?ml|md|css|html|sh|py))(?![\w*/-])/g;

/** @param {string} text @returns {string[]} what in it looks like a path of the project */
function pathsIn(text) {
  return (text.replace(/\b[a-z]+:\/\/\S+/g, "").match(PATH) ?? []).filter((path) => {
    if (MADE.test(path) || ELSEWHERE.has(path)) return false;
    // A folder is one of ours where it starts at one of the project's; others are names such as `flagwire/`.
    return !path.endsWith("/") || (top.has(path.split("/")[0] ?? "") && path.split("/").length > 2);
  });
}

/** @param {string} path @param {string} from the file that names it */
function isThere(path, from) {
  const plain = path.replace(/^(?:\.{1,2}\/)+/, "").replace(/\/$/, "");
  if (plain.includes("*")) return true;
  return known.has(plain) || [dirname(from), ""].some((base) => existsSync(join(root, base, path)));
}

test("files and folders that comments name are there", () => {
  /** @type {string[]} */
  const missing = [];
  for (const file of files) {
    for (const { text, line } of commentsOf(file, readFileSync(join(root, file), "utf8"))) {
      for (const path of pathsIn(text)) if (!isThere(path, file)) missing.push(`${file}:${line} names ${path}`);
    }
  }
  assert.deepEqual(missing, []);
});

/** The lines of a document, with blocks of code left empty. @param {string} file */
function linesOf(file) {
  const text = readFileSync(join(root, file), "utf8");
  return text.replace(/^```[^]*?^```$/gm, (block) => block.replace(/[^\n]/g, "")).split("\n");
}

/** What stands between backticks in a document, with its place. @param {string} file */
function codeIn(file) {
  return linesOf(file).flatMap((line, index) => [...line.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => ({ code, place: `${file}:${index + 1}` })));
}

test("files and folders that documents name are there", () => {
  const missing = documents.flatMap((file) => codeIn(file).flatMap(({ code, place }) => pathsIn(code).filter((path) => !isThere(path, file)).map((path) => `${place} names ${path}`)));
  assert.deepEqual(missing, []);
});

/** The name that GitHub gives to a heading. @param {string} heading */
function anchor(heading) {
  const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "");
  return text.trim().toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replace(/ /g, "-");
}

test("links in documents lead to files and headings that are there", () => {
  /** @type {string[]} */
  const missing = [];
  for (const file of documents) {
    for (const [index, line] of linesOf(file).entries()) {
      for (const [, target = ""] of line.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = "", name] = target.split("#");
        const to = path ? join(dirname(file), path) : file;
        const headings = () => linesOf(to).filter((one) => /^#+ /.test(one)).map((one) => anchor(one.replace(/^#+ /, "")));
        if (!known.has(to.replace(/\/$/, "")) || (name && to.endsWith(".md") && !headings().includes(name))) missing.push(`${file}:${index + 1} links to ${target}`);
      }
    }
  }
  assert.deepEqual(missing, []);
});

test("scripts, crates and suites that documents name are there", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const crates = files.filter((path) => path.endsWith("Cargo.toml")).map((path) => /^name = "([^"]+)"/m.exec(readFileSync(join(root, path), "utf8"))?.[1]);
  const rustTests = files.flatMap((path) => /(?:^|\/)tests\/([\w-]+)(?:\.rs|\/main\.rs)$/.exec(path)?.[1] ?? []);
  const names = ["all", ...suites().map(({ name }) => name)];
  /** @type {string[]} */
  const missing = [];
  let seen = 0;
  for (const file of documents) {
    const text = readFileSync(join(root, file), "utf8");
    /** @param {RegExp} pattern @param {(name: string) => boolean} has */
    const look = (pattern, has) => {
      for (const [what, name = ""] of text.matchAll(pattern)) {
        seen += 1;
        if (!has(name)) missing.push(`${file} names ${what}`);
      }
    };
    // Readers' own projects have scripts of their own.
    if (!file.startsWith("docs/guides/") && !file.startsWith("pkg-template/")) look(/\bnpm run ([\w-]+)/g, (name) => name in scripts);
    look(/(?:-p|--package) (flagwire[\w-]*)/g, (name) => crates.includes(name));
    look(/\bcargo test [^`\n]*--test ([\w-]+)/g, (name) => rustTests.includes(name));
    look(/\bnpm test -- ([a-z][\w-]*)/g, (name) => names.includes(name));
  }
  assert.ok(seen > 20, `${seen}`);
  assert.deepEqual(missing, []);
});

test("types, functions and settings that documents for contributors name are in the sources", () => {
  const sources = files.filter((path) => /\.(?:rs|ts|tsx|mjs|js|json|toml|ya?ml|html|css|lock|service)$/.test(path)).flatMap((path) => [path, readFileSync(join(root, path), "utf8")]);
  const words = new Set(sources.flatMap((text) => text.match(/\w+/g) ?? []));
  // Names of the language and of other programs.
  for (const name of ["SyntaxError", "subPath", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]) words.add(name);
  /** Serialised names are those of fields in another spelling, and exporters put units behind. @param {string} name */
  const inSources = (name) => [name, name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), name.replace(/^flagwire_|_(?:total|seconds|bytes)$/g, "")].some((one) => words.has(one));
  /** @type {string[]} */
  const missing = [];
  for (const file of ["CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/RELIABILITY.md", "docs/SERVER.md", "docs/OPERATIONS.md"]) {
    for (const { code, place } of codeIn(file)) {
      // Of a test in a module that the row has named already.
      const [, test] = /^…::(\w+)$/.exec(code) ?? [];
      if (test && !words.has(test)) missing.push(`${place} names the test ${test}`);
      // A name as code writes it: `Name`, `two_words`, `camelCase`, `function()`, `Type::item`, `FLAGWIRE_X`.
      for (const name of /^(?:\w+(?:::|\.))*\w+(?:\(\))?$/.test(code) ? (code.match(/\w+/g) ?? []) : []) {
        if (/^[A-Z]\w*[a-z]|_|[a-z][A-Z]/.test(name) && !inSources(name)) missing.push(`${place} names ${name} in \`${code}\``);
      }
    }
  }
  assert.deepEqual(missing, []);
});

test("tests that RELIABILITY names are there", () => {
  /** @type {string[]} */
  const missing = [];
  let seen = 0;
  for (const { code, place } of codeIn("docs/RELIABILITY.md")) {
    // As in `tabs: when the leading tab …`: the file's name, and how the test's name starts or goes on.
    const [, file, name = ""] = /^([\w/-]+): ?(.*)$/.exec(code) ?? [];
    if (!file || file === "x" || code.includes("::")) continue;
    const paths = files.filter((path) => path.endsWith(`/${file}.test.mjs`) || path === `${file}.test.mjs`);
    if (paths.length === 0 && !code.endsWith(" …")) continue;
    seen += 1;
    const parts = name.split("…").map((part) => part.trim()).filter((part) => part !== "");
    const texts = paths.map((path) => readFileSync(join(root, path), "utf8"));
    if (!texts.some((text) => parts.every((part) => text.includes(part)))) missing.push(`${place} names the test "${code}"`);
  }
  assert.ok(seen > 50, `${seen}`);
  assert.deepEqual(missing, []);
});
