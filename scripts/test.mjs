// `npm test`: the set-up, then every suite that does not take long; `npm test -- all` runs all of them, and in full;
// `npm test -- core e2e` runs those named, and the builds that they need. scripts/lib/suites.mjs is the list.
//
// A suite's output streams through. Its counts come out of its runner's closing lines; a check that counts nothing (a
// build, a lint) is one test that passes or fails. The last line printed is `N passed, N failed`.

import { setUpFor } from "./setup.mjs";
import { root } from "./lib/paths.mjs";
import { count, excerpt, failedFiles, failedTests, passedTests, withoutColours } from "./lib/results.mjs";
import { Plain, run } from "./lib/run.mjs";
import { script } from "./lib/steps.mjs";
import { everythingEnv, LIMIT_MINUTES, suites as list, testsOf } from "./lib/suites.mjs";

/** @typedef {import("./lib/suites.mjs").Suite} Suite */

const ALL = "all";
const suites = list();
/** How long the files with failed tests may take when they are run once more: all suites are to have the time that they need. */
const REPEAT_MINUTES = 5;

// CI reads panics, which say their place by themselves: without what a debugger wants, forty test programs compile and link faster.
if (process.env.CI) process.env.CARGO_PROFILE_DEV_DEBUG ??= "0";

script(async () => {
  const chosen = choose(process.argv.slice(2));
  const started = Date.now();
  await setUpFor(new Set(chosen.flatMap(({ uses }) => uses)));
  /** @type {Result[]} */
  const results = [];
  for (const [index, suite] of chosen.entries()) {
    console.log(`\n── ${index + 1} of ${chosen.length}: ${suite.title} (${suite.name}) ──`);
    const missing = suite.needs?.filter((need) => results.some((result) => result.suite.name === need && result.failed > 0)) ?? [];
    const result = missing.length > 0 ? skipped(suite, missing) : await perform(suite);
    console.log(`── ${suite.name}: ${result.passed} passed, ${result.failed} failed, ${result.seconds} s`);
    if (result.failed > 0 && missing.length === 0 && suite.repeats) await repeat(result);
    results.push(result);
  }
  summarise(results, Math.round((Date.now() - started) / 1000));
});

/**
 * The suites that the arguments name, with those that they need, in the order of the list.
 *
 * @param {string[]} wanted
 * @returns {Suite[]}
 */
function choose(wanted) {
  const unknown = wanted.filter((name) => name !== ALL && !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    throw new Plain(`No suite is called ${unknown.join(" or ")}. There are: ${suites.map((suite) => suite.name).join(", ")}; and ${ALL}.`);
  }
  if (wanted.includes(ALL)) {
    Object.assign(process.env, everythingEnv());
    return suites;
  }
  if (wanted.length === 0) return suites.filter((suite) => !suite.onlyInAll);
  const needed = new Set(wanted.flatMap((name) => [...(suites.find((suite) => suite.name === name)?.needs ?? []), name]));
  return suites.filter((suite) => needed.has(suite.name));
}

/**
 * @typedef {object} Result
 * @property {Suite} suite
 * @property {number} passed
 * @property {number} failed
 * @property {number} ignored
 * @property {number} seconds
 * @property {string} output
 * @property {string[]} [unsteady] tests that failed and passed when their files were run once more
 */

/**
 * @param {Suite} suite
 * @param {() => import("./lib/suites.mjs").Command | Promise<import("./lib/suites.mjs").Command>} [command]
 * @param {number} [minutes] after which it counts as hung and is ended
 * @returns {Promise<Result>}
 */
async function perform(suite, command = suite.command, minutes = suite.minutes ?? LIMIT_MINUTES) {
  const started = Date.now();
  let code = 1;
  let output = "";
  let hung = false;
  try {
    const { program, args, env } = await command();
    ({ code, output, timedOut: hung } = await run(program, args, { cwd: root, env, timeoutMs: minutes * 60_000, onLine: (line) => console.log(line) }));
  } catch (error) {
    output = error instanceof Plain ? error.message : String(error instanceof Error ? error.stack : error);
    console.log(output);
  }
  output = withoutColours(output);
  const { passed, failed, ignored } = count(output);
  const seconds = Math.round((Date.now() - started) / 1000);
  if (hung) {
    const what = `${suite.name} was ended after ${minutes} minutes: it hangs, or the machine is far too slow. What it printed last is above.`;
    console.log(what);
    return { suite, passed, failed: failed + 1, ignored, seconds, output: `${output.split("\n").slice(-60).join("\n")}\n${what}` };
  }
  // A runner that failed without a failed test did not get as far as running it: a build error, a crash.
  if (code !== 0 && failed === 0) return { suite, passed, failed: 1, ignored, seconds, output };
  if (code === 0 && passed + failed === 0) return { suite, passed: 1, failed: 0, ignored, seconds, output };
  return { suite, passed, failed, ignored, seconds, output };
}

/**
 * Runs the files with failed tests once more. What passes now is named as unsteady; it counts as failed all the same.
 *
 * @param {Result} result
 */
async function repeat(result) {
  const files = failedFiles(result.output);
  if (files.length === 0) return;
  console.log(`\n── ${result.suite.name}: ${files.join(", ")} once more, to see whether that repeats; the failures count either way ──`);
  const again = await perform(result.suite, () => testsOf(files), REPEAT_MINUTES);
  result.seconds += again.seconds;
  const passed = passedTests(again.output);
  result.unsteady = failedTests(result.output).filter((name) => again.failed === 0 || passed.includes(name));
  for (const name of result.unsteady) console.log(`── ${result.suite.name}: NOT STEADY, failed and then passed: ${name}`);
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
  for (const { suite, passed, failed, ignored, seconds: took, unsteady = [] } of results) {
    const skippedTests = ignored > 0 ? `, ${ignored} skipped` : "";
    console.log(`${failed > 0 ? "✗" : "✓"} ${suite.name.padEnd(width)}  ${passed} passed, ${failed} failed${skippedTests}, ${took} s`);
    for (const name of unsteady) console.log(`  not steady, failed and then passed: ${name}`);
  }
  const sum = (/** @type {"passed" | "failed"} */ key) => results.reduce((all, result) => all + result[key], 0);
  process.exitCode = sum("failed") > 0 ? 1 : 0;
  console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
}
