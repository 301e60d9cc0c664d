// What a test starts ends with it: the last started first, one after the other.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * What the helpers of this folder take first: a `node:test` context, or for what a whole file shares `{ after }` of
 * `node:test`, used at the file's top level: `const browser = await startBrowser({ after })`. (Inside a `before` hook it
 * would end with the hook.)
 *
 * @typedef {{ after: (fn: () => Promise<void>) => void }} Scope
 */

/** @type {WeakMap<Scope, (() => unknown)[]>} */
const stacks = new WeakMap();

/**
 * Runs `fn` when the scope ends. `after` of `node:test` alone would run them first to last: a browser would be gone before
 * its pages are closed.
 *
 * @param {Scope} t
 * @param {() => unknown} fn
 */
export function atEnd(t, fn) {
  const known = stacks.get(t);
  if (known) return void known.push(fn);
  const stack = [fn];
  stacks.set(t, stack);
  t.after(async () => {
    /** @type {unknown[]} */
    const errors = [];
    for (let next = stack.pop(); next; next = stack.pop()) {
      try {
        await next();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  });
}

/**
 * @param {Scope} t
 * @returns {string} the path of an empty folder that is removed with the scope
 */
export function tempDir(t) {
  const folder = mkdtempSync(join(tmpdir(), "flagwire-test-"));
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
