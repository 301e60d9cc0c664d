// Reads flags files by the server's own code, which the package has as a WebAssembly module of its own.

import { readFileSync } from "node:fs";
import { check, initSync } from "./crate.mjs";
import { Mistake, messageOf } from "./mistake.mjs";

/**
 * @typedef {object} Report what there is to say about a flags file
 * @property {string[]} lines warnings and mistakes, as `flags.yaml:12:5: …`
 * @property {string | null} summary what is in the file; `null` where it has mistakes
 * @property {{ feature: string }[]} flags as the protocol has them; none where there are mistakes
 * @property {number} patterns how many regular expressions are in it, which only the server checks
 */

let started = false;

/**
 * @param {string} file
 * @returns {Report}
 */
export function readFlagsFile(file) {
  let bytes;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new Mistake(`${file} cannot be read: ${messageOf(error)}`);
  }
  if (!started) initSync({ module: readFileSync(new URL("./cli.wasm", import.meta.url)) });
  started = true;
  return JSON.parse(check(file, bytes));
}
