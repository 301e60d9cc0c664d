// Whether something made from files must be made again: a fingerprint of the files is kept beside what was made.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Output folders inside an input folder are not input. */
const IGNORED = new Set(["node_modules", "target", "dist", ".git"]);

/**
 * A fingerprint of files and folders: paths, sizes and times, not contents, so it costs a few milliseconds.
 *
 * @param {string[]} paths those that do not exist count as missing
 */
export function fingerprint(paths) {
  const hash = createHash("sha256");
  /** @param {string} path */
  const add = (path) => {
    if (!existsSync(path)) return void hash.update(`${path} missing\n`);
    const stat = statSync(path);
    if (!stat.isDirectory()) return void hash.update(`${path} ${stat.size} ${stat.mtimeMs}\n`);
    for (const name of readdirSync(path).sort()) if (!IGNORED.has(name)) add(join(path, name));
  };
  paths.forEach(add);
  return hash.digest("hex");
}

/**
 * Runs `make` unless it was run for the same fingerprint before.
 *
 * @param {string} stamp the file that remembers; what removes the product must remove it too
 * @param {string[]} inputs
 * @param {() => Promise<void>} make
 * @returns {Promise<boolean>} whether it was run
 */
export async function ifChanged(stamp, inputs, make) {
  const now = fingerprint(inputs);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === now) return false;
  await make();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, now);
  return true;
}
