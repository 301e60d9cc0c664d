// Ends a test file in which nothing goes on any more, and says where it stands: `node --import ./tests/lib/limit.mjs --test …`.
//
// The limit of Node's runner, `--test-timeout`, is one for the whole file: it would end a file that is merely long, and names no test.

import { afterEach, beforeEach } from "node:test";
import { isMainThread } from "node:worker_threads";

/** How long no test of a file may begin or end: several times what the longest needs on a busy machine, and what is compiled before the first. */
const STILL_MS = Number(process.env.FLAGWIRE_STILL_MS ?? 420_000);

/** The platform's own: tests put others in their place. */
const { setTimeout, clearTimeout } = globalThis;

/** The names of the tests that have begun and not ended. @type {string[]} */
const running = [];

// Node's runner itself loads this file as well, and waits for all its files.
if (isMainThread && process.env.NODE_TEST_CONTEXT) watch();

function watch() {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const goOn = () => {
    clearTimeout(timer);
    timer = setTimeout(end, STILL_MS).unref();
  };
  beforeEach((t) => {
    running.push(nameOf(t));
    goOn();
  });
  afterEach((t) => {
    running.splice(running.lastIndexOf(nameOf(t)), 1);
    goOn();
  });
  goOn();
  // So that what ends with a process does, such as the servers that it has started.
  process.once("SIGTERM", () => process.exit(143));
}

/** A test's name, with those that it stands in where Node knows them. @param {import("node:test").TestContext | import("node:test").SuiteContext} t */
function nameOf(t) {
  return /** @type {{ fullName?: string }} */ (t).fullName ?? t.name;
}

function end() {
  const where = running.length > 0 ? `under way: ${running.join("; ")}` : "no test is under way";
  console.error(`${process.argv[1]}: no test has begun or ended for ${STILL_MS / 1000} s; ${where}`);
  process.exit(1);
}
