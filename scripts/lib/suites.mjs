// The list of test suites: what each runs, what it needs, and whether `npm test` or only `npm test -- all` runs it.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { npmInstall } from "./npm.mjs";
import { root } from "./paths.mjs";
import { browserTests, shippedScripts } from "./wasm-tests.mjs";

/**
 * @typedef {{ program: string, args: string[], env?: NodeJS.ProcessEnv }} Command
 *
 * What a suite needs on the machine besides Node and the npm dependencies:
 * `rust` the compiler, `wasm` the compiler for wasm and wasm-bindgen, `chromium` the browser, `chromedriver` the browser and its
 * driver, `engines` Firefox and WebKit, `redis` and `nginx` these servers.
 * @typedef {"rust" | "wasm" | "chromium" | "chromedriver" | "engines" | "redis" | "nginx"} Part
 *
 * @typedef {object} Suite
 * @property {string} name
 * @property {string} title
 * @property {string[]} [needs] suites that make what this one uses
 * @property {Part[]} uses
 * @property {true} [onlyInAll] takes so long that plain `npm test` leaves it out
 * @property {number} [minutes] after which the suite counts as hung and is ended; the default is `LIMIT_MINUTES`
 * @property {true} [repeats] its failed files are run a second time, to tell what is unsteady from what is broken
 * @property {() => Command | Promise<Command>} command
 */

/** How long a suite may take where it says nothing else: several times what the slowest needs on two cores. */
export const LIMIT_MINUTES = 15;

/**
 * How long a test file may take. Node's limit is for the file as a whole, and names no test: a test that hangs is found before that, by the
 * module below.
 */
const FILE_LIMIT_MINUTES = 12;

/** Ends a test file in which no test begins or ends any more. */
const ENDS_WHEN_STILL = "./tests/lib/limit.mjs";

/** Set to `all`, it makes the tests that `tests/lib/everything.mjs` shortens run in full. */
const EVERYTHING = "FLAGWIRE_TESTS";

/** The folder of tests/ whose tests import the package's sources, and need no build. */
const FACADE = "facade";

/**
 * The test programs of the server that `npm test` runs a second time, over TLS and HTTP/2: those about what a connection carries,
 * which are replies, streams and their ends, refusals and limits. The others are about files, Redis, memory and the program's
 * options, or open sockets of every kind themselves; they run over HTTP/2 in `npm test -- all`.
 */
export const OVER_HTTP2 = ["admin", "carried", "connections", "ofrep", "operations", "protocol", "relay", "security", "stream", "vectors", "versions"];

/** What the folders of tests/ use; one that is not listed uses Chromium. @type {Record<string, Part[]>} */
const FOLDER_USES = {
  api: [],
  engines: ["chromium", "engines"],
  interop: ["chromium", "nginx"],
  jest: [],
  lives: [],
  node: [],
  "rust-api": ["wasm", "chromedriver"],
  scripts: ["wasm"],
  testing: ["chromium"],
  types: [],
};

/**
 * All suites, in the order in which they run.
 *
 * @returns {Suite[]}
 */
export function suites() {
  return [
    { name: "fmt", title: "Rust formatting", uses: ["rust"], command: () => cargo("fmt", "--all", "--check") },
    {
      name: "clippy",
      title: "Rust lints",
      uses: ["rust"],
      command: () => cargo("clippy", "--workspace", "--all-targets", "--", "-D", "warnings"),
    },
    { name: "rust", title: "Rust tests, native", uses: ["rust", "redis"], minutes: 20, command: () => sameCases(cargo("test", "--no-fail-fast")) },
    {
      name: "rust-http2",
      title: "The server's tests about connections once more, over TLS and HTTP/2",
      uses: ["rust"],
      command: () => sameCases(overHttp2(OVER_HTTP2)),
    },
    {
      name: "docs",
      title: "Rust documentation",
      uses: ["rust"],
      command: () => withEnv(cargo("doc", "--workspace", "--no-deps"), { RUSTDOCFLAGS: "-Dwarnings" }),
    },
    { name: "api-doctests", title: "Rust API: the examples in its documentation", uses: ["rust"], command: () => cargo("test", "-p", "flagwire", "--doc") },
    { name: "lint", title: "Layout and rules of the scripts and TypeScript", uses: [], command: () => node("scripts/lint.mjs") },
    { name: "tsc", title: "Types of the scripts", uses: [], command: () => node("node_modules/typescript/bin/tsc", "-p", "tsconfig.json") },
    { name: "facade", title: "The package's TypeScript, unit by unit", uses: [], command: facadeTests },
    { name: "mutations", title: "Some deliberate faults, each of which a test must catch", uses: [], command: () => node("scripts/mutations.mjs", "--ci") },
    { name: "build", title: "The npm package", uses: ["rust", "wasm"], command: () => node("scripts/build.mjs") },
    { name: "size", title: "Size against the budget", needs: ["build"], uses: [], command: () => node("scripts/size.mjs") },
    { name: "wasm", title: "Rust tests in Chromium", uses: ["rust", "wasm", "chromedriver"], command: wasmTests },
    { name: "server", title: "The server's binary", uses: ["rust"], command: () => cargo("build", "-p", "flagwire-server") },
    ...folderSuites(),
    {
      name: "rust-http2-rest",
      title: "The server's other tests over TLS and HTTP/2",
      uses: ["rust", "redis"],
      onlyInAll: true,
      command: () => overHttp2(testPrograms().filter((name) => !OVER_HTTP2.includes(name))),
    },
    {
      name: "kills",
      title: "Fifty kills of one server and of three replicas",
      uses: ["rust", "redis"],
      onlyInAll: true,
      minutes: 30,
      command: () => cargo("test", "--no-fail-fast", "--test", "kills", "--", "--ignored"),
    },
    {
      name: "floods",
      title: "Floods of connections and requests, ten times as large",
      uses: ["rust"],
      onlyInAll: true,
      minutes: 30,
      command: () => withEnv(cargo("test", "--no-fail-fast", "--test", "floods"), { FLAGWIRE_FLOODS: "full" }),
    },
    {
      name: "fuzz",
      title: "Random inputs and lives from a seed of their own, and more cases of each property",
      uses: ["rust"],
      onlyInAll: true,
      minutes: 30,
      command: () => withEnv(cargo("test", "--no-fail-fast", "-p", "flagwire-fuzz", "-p", "flagwire-core", "-p", "flagwire-evaluation", "-p", "flagwire-flags-file"), { FLAGWIRE_FUZZ_ROUNDS: "20000", PROPTEST_CASES: "10000" }),
    },
    {
      name: "storms",
      title: "Ten minutes of storms from a seed of their own",
      needs: ["build", "server"],
      uses: ["chromium"],
      onlyInAll: true,
      minutes: 20,
      command: () => node("tests/chaos/run.mjs", "--minutes", "10"),
    },
    {
      name: "mutations-all",
      title: "All deliberate faults, each of which a test must catch",
      uses: ["rust"],
      onlyInAll: true,
      minutes: 90,
      command: () => node("scripts/mutations.mjs"),
    },
  ];
}

/** The environment in which `npm test -- all` runs every suite. @returns {NodeJS.ProcessEnv} */
export function everythingEnv() {
  return { [EVERYTHING]: "all" };
}

/** @param {string[]} args @returns {Command} */
function cargo(...args) {
  return { program: "cargo", args };
}

/**
 * Runs the same cases of each property every time, so that a change is not refused for a fault that it has not made. `npm test -- all` and
 * the suite `fuzz` try cases of their own.
 *
 * @param {Command} command
 * @returns {Command}
 */
function sameCases(command) {
  return process.env[EVERYTHING] === "all" ? command : withEnv(command, { PROPTEST_RNG_SEED: process.env.PROPTEST_RNG_SEED ?? "1" });
}

/** @param {string[]} args @returns {Command} */
function node(...args) {
  return { program: process.execPath, args };
}

/** @param {Command} command @param {NodeJS.ProcessEnv} env @returns {Command} */
function withEnv(command, env) {
  return { ...command, env: { ...(command.env ?? process.env), ...env } };
}

/**
 * Test programs of the server, with requests sent over TLS and HTTP/2 instead of by a call.
 *
 * @param {string[]} programs
 */
function overHttp2(programs) {
  // No package is named: cargo would choose other features of the dependencies for it than for all, and compile them again.
  return withEnv(cargo("test", "--no-fail-fast", ...programs.flatMap((name) => ["--test", name])), { FLAGWIRE_TEST_TRANSPORT: "http2" });
}

/** The names of the server's test programs. */
export function testPrograms() {
  return readdirSync(join(root, "crates", "server", "tests")).flatMap((file) => /^(\w+)\.rs$/.exec(file)?.[1] ?? []);
}

/** The package's sources, imported by Node as they stand. */
function facadeTests() {
  return node("--import", "./tests/lib/typescript.mjs", "--import", ENDS_WHEN_STILL, "--test", "--test-reporter=spec", ...testFiles(join(root, "tests", FACADE)).sort());
}

/** The tests of the npm package's module, and the core's twice more: compiled to wasm, and that with the package's own codec, in headless Chromium. */
async function wasmTests() {
  await shippedScripts();
  return browserTests(["-p", "flagwire-npm-client", "-p", "flagwire-core", "--lib", "--tests", "--no-fail-fast"]);
}

/**
 * One suite for every folder of tests/ that has `*.test.mjs` files in it, at any depth. A package.json there lists
 * what only that suite needs.
 *
 * @returns {Suite[]}
 */
function folderSuites() {
  const tests = join(root, "tests");
  const folders = readdirSync(tests, { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== FACADE);
  return folders.flatMap(({ name }) => {
    const files = testFiles(join(tests, name)).sort();
    if (files.length === 0) return [];
    const command = async () => {
      for (const folder of [tests, join(tests, name)]) {
        if (existsSync(join(folder, "package.json"))) await npmInstall(folder);
      }
      return testsOf(files);
    };
    return [{ name, title: `tests/${name}`, needs: ["build", "server"], uses: FOLDER_USES[name] ?? ["chromium"], repeats: true, command }];
  });
}

/**
 * Runs test files in Node. A file whose tests have ended and whose process does not is a failure, as what is closed must leave nothing.
 *
 * @param {string[]} files
 * @returns {Command}
 */
export function testsOf(files) {
  return node("--import", ENDS_WHEN_STILL, "--test", `--test-timeout=${FILE_LIMIT_MINUTES * 60_000}`, "--test-reporter=spec", ...files);
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
