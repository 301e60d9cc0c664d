// `npm run mutations`: puts each deliberate fault of tests/mutations/list.mjs into a copy of the sources, one after the other, and
// says which no test catches. `-- --ci` takes those that every run of the tests tries, `-- --by=core` those of one suite (`core`,
// `evaluation`, `facade`, `server`), `-- WORDS` those whose name has the words.
//
// The copy is target/mutations, with a target folder of its own: nothing of the checkout is touched. It ends with status 1 where a
// fault survives, or cannot be put in because the code has changed.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { mutations } from "../tests/mutations/list.mjs";
import { root } from "./lib/paths.mjs";
import { Plain, run } from "./lib/run.mjs";
import { script } from "./lib/steps.mjs";

/** @typedef {import("../tests/mutations/list.mjs").Mutation} Mutation */

const copy = join(root, "target", "mutations");
/** What the suites read. */
const PARTS = ["Cargo.toml", "Cargo.lock", "clippy.toml", "crates", "src", "fuzz", "examples", "pkg-template/src", "tests/facade", "tests/lib", "tests/rust-api"];
/** A fault that makes the code run for ever is caught, too. */
const TIMEOUT_MS = 300_000;
/** The first run compiles everything. */
const FIRST_TIMEOUT_MS = 1_800_000;

await script(async () => {
  const args = process.argv.slice(2);
  const words = args.filter((arg) => !arg.startsWith("--")).join(" ").toLowerCase();
  const suite = args.find((arg) => arg.startsWith("--by="))?.slice("--by=".length);
  const chosen = mutations.filter(
    ({ name, ci, by }) => (!args.includes("--ci") || ci) && (suite === undefined || (Array.isArray(by) ? "server" : by) === suite) && name.toLowerCase().includes(words),
  );
  if (chosen.length === 0) throw new Plain("No fault is chosen: the options leave none of tests/mutations/list.mjs.");
  for (const part of PARTS) update(part);
  if (!existsSync(join(copy, "node_modules"))) symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));

  for (const by of new Set(chosen.map(({ by }) => JSON.stringify(by)))) {
    if (!(await passes({ by: JSON.parse(by) }, FIRST_TIMEOUT_MS))) throw new Plain(`The tests ${by} fail without a fault; mend that first.`);
  }
  let survived = 0;
  for (const mutation of chosen) {
    const started = Date.now();
    const caught = await isCaught(mutation);
    if (!caught) survived++;
    console.log(`${caught ? "✓ caught" : "✗ SURVIVED"}: ${mutation.name} (${Math.round((Date.now() - started) / 1000)} s)`);
  }
  // As Node's test runner says it.
  console.log(`ℹ pass ${chosen.length - survived}\nℹ fail ${survived}`);
  if (survived > 0) process.exitCode = 1;
});

/**
 * Makes a file or folder of the copy what it is in the checkout. What is the same already keeps its time, so that cargo compiles
 * nothing again; what differs gets the present one, so that cargo does.
 *
 * @param {string} part
 */
function update(part) {
  const [from, to] = [join(root, part), join(copy, part)];
  if (!existsSync(from)) return rmSync(to, { recursive: true, force: true });
  if (statSync(from).isDirectory()) {
    mkdirSync(to, { recursive: true });
    for (const name of new Set([...readdirSync(from), ...readdirSync(to)])) update(join(part, name));
  } else if (!existsSync(to) || !readFileSync(from).equals(readFileSync(to))) {
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, readFileSync(from));
  }
}

/** @param {Mutation} mutation */
async function isCaught(mutation) {
  const { name, file, from, to } = mutation;
  const path = join(copy, file);
  const sound = readFileSync(path, "utf8");
  if (sound.split(from).length !== 2) throw new Plain(`"${name}" cannot be put in: its text does not occur once in ${file}. Adapt tests/mutations/list.mjs.`);
  try {
    writeFileSync(path, sound.replace(from, () => to));
    return !(await passes(mutation));
  } finally {
    writeFileSync(path, sound);
  }
}

/** @param {Pick<Mutation, "by"> & { file?: string }} which @param {number} [timeoutMs] */
async function passes(which, timeoutMs = TIMEOUT_MS) {
  const { program, args } = commandOf(which);
  const { code, output } = await run(program, args, { cwd: copy, timeoutMs, env: { ...process.env, CARGO_TARGET_DIR: join(copy, "target"), FLAGWIRE_PATIENCE_MS: "10000" } });
  // A fault that does not compile shows nothing about the tests.
  if (code !== 0 && /^error(\[E\d+\])?: (?!test failed|\d+ targets? failed)/m.test(output)) throw new Plain(`It does not compile:\n${output.slice(-2000)}`);
  return code === 0;
}

/**
 * The tests that are run on a fault in a file. Of the facade these are the file's own and the vectors, which some files share; without a file
 * it is the whole suite.
 *
 * @param {Pick<Mutation, "by"> & { file?: string }} which
 */
function commandOf({ by, file }) {
  if (by === "facade") {
    const wanted = file && [`${basename(file, ".ts")}.test.mjs`, "vectors.test.mjs"];
    const tests = readdirSync(join(copy, "tests/facade")).filter((name) => (wanted ? wanted.includes(name) : name.endsWith(".test.mjs")));
    return { program: process.execPath, args: ["--import", "./tests/lib/typescript.mjs", "--test", ...tests.map((name) => `tests/facade/${name}`)] };
  }
  const which = by === "core" ? ["-p", "flagwire-core", "--tests"] : by === "evaluation" ? ["-p", "flagwire-evaluation", "--tests"] : by;
  return { program: "cargo", args: ["test", "--quiet", ...which] };
}
