// What a test runner's output says: how many passed and failed, and what went wrong.

/** @param {string} output */
export function withoutColours(output) {
  return output.replaceAll(/\x1b(\[[\d;]*m|\(B)/g, "");
}

/**
 * Adds up the closing lines of cargo test, of wasm-bindgen's test runner (the same form) and of node's.
 *
 * @param {string} output
 */
export function count(output) {
  const total = { passed: 0, failed: 0, ignored: 0 };
  for (const [, passed, failed, ignored] of output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    total.passed += Number(passed);
    total.failed += Number(failed);
    total.ignored += Number(ignored);
  }
  for (const [, what, number] of output.matchAll(/^ℹ (pass|fail|cancelled|skipped|todo) (\d+)$/gm)) {
    if (what === "pass") total.passed += Number(number);
    else if (what === "fail" || what === "cancelled") total.failed += Number(number);
    else total.ignored += Number(number);
  }
  return total;
}

/**
 * The part of a failed suite's output that says what went wrong, at most 120 lines of it.
 *
 * @param {string} output
 */
export function excerpt(output) {
  const lines = output.trimEnd().split("\n");
  const starts = [/^✖ failing tests:/, /^failures:$/, /^(error|warning)(\[\w+\])?: /, /^Diff in /];
  const from = starts.map((start) => lines.findIndex((line) => start.test(line))).find((index) => index >= 0);
  return lines.slice(from ?? -60).slice(0, 120).join("\n");
}

/** What Node's runner repeats at its end: where each failed test is, and its name. */
const FAILED_TEST = /^test at (.+?):\d+:\d+\n✖ (.+?) \([\d.]+ms\)$/gm;

/**
 * The test files, as Node's runner names them, in which a test failed.
 *
 * @param {string} output
 */
export function failedFiles(output) {
  return [...new Set([...output.matchAll(FAILED_TEST)].flatMap(([, file]) => (file.endsWith(".test.mjs") ? [file] : [])))];
}

/**
 * The names of the tests that failed in a run of Node's test runner.
 *
 * @param {string} output
 */
export function failedTests(output) {
  return [...output.matchAll(FAILED_TEST)].map(([, , name]) => name);
}

/**
 * The names of the tests that passed in a run of Node's test runner.
 *
 * @param {string} output
 */
export function passedTests(output) {
  return [...output.matchAll(/^ *✔ (.+?) \([\d.]+ms\)$/gm)].map(([, name]) => name);
}
