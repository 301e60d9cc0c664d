// `npm test`: the set-up, then every suite; `npm test -- core e2e` runs those named, and the builds that they need.
//
// A suite's output streams through. Its counts come out of its runner's closing lines; a check that counts nothing (a
// build, a lint) is one test that passes or fails. The last line printed is `N passed, N failed`.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { npmInstall, setUp } from "./setup.mjs";
import { root } from "./lib/paths.mjs";
import { count, excerpt, withoutColours } from "./lib/results.mjs";
import { Plain, run } from "./lib/run.mjs";
import { script } from "./lib/steps.mjs";
import { browserTests, shippedScripts } from "./lib/wasm-tests.mjs";

/**
 * @typedef {{ program: string, args: string[], env?: NodeJS.ProcessEnv }} Command
 *
 * @typedef {object} Suite
 * @property {string} name
 * @property {string} title
 * @property {string[]} [needs] builds that must have been made before
 * @property {boolean} [browser] runs browsers and servers
 * @property {boolean} [light] needs Node and the npm dependencies alone
 * @property {() => Command | Promise<Command>} command
 */

/** The folder of tests/ whose tests import the package's sources, and need no build. */
const FACADE = "facade";

/** The crate as front ends in Rust use it. */
const api = ["-p", "flagwire", "--features", "rust-api"];

/** @type {Suite[]} */
const suites = [
  { name: "fmt", title: "Rust formatting", command: () => cargo("fmt", "--all", "--check") },
  {
    name: "clippy",
    title: "Rust lints",
    command: () => cargo("clippy", "--workspace", "--all-targets", "--", "-D", "warnings"),
  },
  { name: "rust", title: "Rust tests, native", command: () => cargo("test", "--no-fail-fast") },
  {
    name: "rust-http2",
    title: "The server's tests once more, over TLS and HTTP/2",
    command: () => ({
      ...cargo("test", "--no-fail-fast", "-p", "flagwire-server", "--tests"),
      env: { ...process.env, FLAGWIRE_TEST_TRANSPORT: "http2" },
    }),
  },
  {
    name: "docs",
    title: "Rust documentation",
    command: () => ({ ...cargo("doc", "--workspace", "--no-deps"), env: { ...process.env, RUSTDOCFLAGS: "-Dwarnings" } }),
  },
  { name: "api-clippy", title: "Rust API: lints", command: () => cargo("clippy", ...api, "--all-targets", "--", "-D", "warnings") },
  {
    name: "api-docs",
    title: "Rust API: documentation",
    command: () => ({ ...cargo("doc", ...api, "--no-deps"), env: { ...process.env, RUSTDOCFLAGS: "-Dwarnings" } }),
  },
  { name: "api-doctests", title: "Rust API: the examples in its documentation", command: () => cargo("test", ...api, "--doc") },
  { name: "tsc", title: "Types of the scripts", command: () => node("node_modules/typescript/bin/tsc", "-p", "tsconfig.json") },
  { name: "facade", title: "The package's TypeScript, unit by unit", light: true, command: facadeTests },
  { name: "mutations", title: "Deliberate faults, each of which a test must catch", light: true, command: () => node("scripts/mutations.mjs", "--ci") },
  { name: "build", title: "The npm package", command: () => node("scripts/build.mjs") },
  { name: "size", title: "Size against the budget", needs: ["build"], command: () => node("scripts/size.mjs") },
  { name: "wasm", title: "Rust tests in Chromium", command: wasmTests },
  { name: "server", title: "The server's binary", command: () => cargo("build", "-p", "flagwire-server") },
  ...nodeSuites(),
];

script(async () => {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    throw new Plain(`No suite is called ${unknown.join(" or ")}. There are: ${suites.map((suite) => suite.name).join(", ")}.`);
  }
  const needed = new Set(wanted.flatMap((name) => [...(suites.find((suite) => suite.name === name)?.needs ?? []), name]));
  const chosen = wanted.length > 0 ? suites.filter((suite) => needed.has(suite.name)) : suites;

  const started = Date.now();
  // The inner loop of the package's TypeScript: an edit to a green or red test in seconds.
  if (chosen.every((suite) => suite.light)) await npmInstall();
  else await setUp();
  /** @type {Result[]} */
  const results = [];
  for (const [index, suite] of chosen.entries()) {
    console.log(`\n── ${index + 1} of ${chosen.length}: ${suite.title} (${suite.name}) ──`);
    const missing = suite.needs?.filter((need) => results.some((result) => result.suite.name === need && result.failed > 0)) ?? [];
    let result = missing.length > 0 ? skipped(suite, missing) : await perform(suite);
    if (result.failed > 0 && missing.length === 0 && suite.browser) {
      // Whole browsers and servers share this machine: a failure that does not repeat is named, and not believed.
      console.log(`\n── ${suite.name}: ${result.failed} failed; once more, to see whether that repeats ──`);
      const again = await perform(suite);
      if (again.failed === 0) console.log(`── ${suite.name}: NOT STEADY: ${result.failed} failed the first time and none the second`);
      result = again;
    }
    console.log(`── ${suite.name}: ${result.passed} passed, ${result.failed} failed, ${result.seconds} s`);
    results.push(result);
  }
  summarise(results, Math.round((Date.now() - started) / 1000));
});

/**
 * @typedef {object} Result
 * @property {Suite} suite
 * @property {number} passed
 * @property {number} failed
 * @property {number} ignored
 * @property {number} seconds
 * @property {string} output
 */

/**
 * @param {Suite} suite
 * @returns {Promise<Result>}
 */
async function perform(suite) {
  const started = Date.now();
  let code = 1;
  let output = "";
  try {
    const { program, args, env } = await suite.command();
    ({ code, output } = await run(program, args, { cwd: root, env, onLine: (line) => console.log(line) }));
  } catch (error) {
    output = error instanceof Plain ? error.message : String(error instanceof Error ? error.stack : error);
    console.log(output);
  }
  output = withoutColours(output);
  const { passed, failed, ignored } = count(output);
  const seconds = Math.round((Date.now() - started) / 1000);
  // A runner that failed without a failed test did not get as far as running it: a build error, a crash.
  if (code !== 0 && failed === 0) return { suite, passed, failed: 1, ignored, seconds, output };
  if (code === 0 && passed + failed === 0) return { suite, passed: 1, failed: 0, ignored, seconds, output };
  return { suite, passed, failed, ignored, seconds, output };
}

/**
 * A suite whose builds are broken counts as failed: it was asked for and did not run.
 *
 * @param {Suite} suite
 * @param {string[]} missing
 * @returns {Result}
 */
function skipped(suite, missing) {
  const output = `not run, because ${missing.join(" and ")} failed`;
  console.log(output);
  return { suite, passed: 0, failed: 1, ignored: 0, seconds: 0, output };
}

/**
 * @param {Result[]} results
 * @param {number} seconds
 */
function summarise(results, seconds) {
  for (const { suite, failed, output } of results) {
    if (failed > 0) console.log(`\n── What failed in ${suite.name} ──\n${excerpt(output)}`);
  }
  const width = Math.max(...results.map(({ suite }) => suite.name.length));
  console.log(`\n── Summary, ${seconds} s ──`);
  for (const { suite, passed, failed, ignored, seconds: took } of results) {
    const aside = ignored > 0 ? `, ${ignored} skipped` : "";
    console.log(`${failed > 0 ? "✗" : "✓"} ${suite.name.padEnd(width)}  ${passed} passed, ${failed} failed${aside}, ${took} s`);
  }
  const sum = (/** @type {"passed" | "failed"} */ key) => results.reduce((all, result) => all + result[key], 0);
  process.exitCode = sum("failed") > 0 ? 1 : 0;
  console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
}

/** @param {string[]} args */
function cargo(...args) {
  return { program: "cargo", args };
}

/** @param {string[]} args */
function node(...args) {
  return { program: process.execPath, args };
}

/** The package's sources, imported by Node as they stand. */
function facadeTests() {
  return node("--import", "./tests/lib/typescript.mjs", "--test", "--test-reporter=spec", ...testFiles(join(root, "tests", FACADE)).sort());
}

/** The shell's tests, and the core's twice more: compiled to wasm, and that with the package's own codec, in headless Chromium. */
async function wasmTests() {
  await shippedScripts();
  return browserTests(["-p", "flagwire", "-p", "flagwire-core", "--lib", "--tests", "--no-fail-fast"]);
}

/**
 * One suite for every folder of tests/ that has `*.test.mjs` files in it, at any depth. A package.json there lists
 * what only that suite needs.
 *
 * @returns {Suite[]}
 */
function nodeSuites() {
  const tests = join(root, "tests");
  const folders = existsSync(tests) ? readdirSync(tests, { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== FACADE) : [];
  return folders.flatMap(({ name }) => {
    const files = testFiles(join(tests, name)).sort();
    if (files.length === 0) return [];
    const command = async () => {
      for (const folder of [tests, join(tests, name)]) {
        if (existsSync(join(folder, "package.json"))) await npmInstall(folder);
      }
      return node("--test", "--test-timeout=300000", "--test-reporter=spec", ...files);
    };
    return [{ name, title: `tests/${name}`, needs: ["build", "server"], browser: true, command }];
  });
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function testFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : testFiles(path);
    return entry.name.endsWith(".test.mjs") ? [path] : [];
  });
}
