// The files of a source tree, read and replaced. Links are not followed: what they lead to may be elsewhere.

import { closeSync, fchmodSync, lstatSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Folders with what is installed or built. */
const SKIPPED = new Set(
  ["node_modules", "bower_components", "jspm_packages", ".git", ".hg", ".svn", ".yarn", ".pnpm-store", ".pnp", "dist", "build", "out", "coverage"].concat(
    [".next", ".nuxt", ".output", ".svelte-kit", ".vercel", ".netlify", ".turbo", ".cache", ".parcel-cache", ".angular", "storybook-static"],
  ),
);
/** Nobody writes longer files by hand. */
const MAX_BYTES = 4_000_000;
/** Of a whole file; people break lines. */
const MAX_MEAN_LINE = 300;
const MINIFIED = /[.-]min\.[mc]?js$/;

/** @param {string} folder @returns {Generator<string>} */
export function* filesBelow(folder) {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

/**
 * A file's text, with its byte order mark and line ends, and whether it is UTF-8.
 *
 * @param {string} path
 * @returns {{ text: string, valid: boolean } | undefined} `undefined` where it cannot be read, or is too long
 */
export function textOf(path) {
  try {
    if (lstatSync(path).size > MAX_BYTES) return undefined;
    const bytes = readFileSync(path);
    const text = bytes.toString("utf8");
    return { text, valid: Buffer.from(text, "utf8").equals(bytes) };
  } catch {
    return undefined;
  }
}

/** Whether a script was made by a program. @param {string} path @param {string} text */
export function looksBuilt(path, text) {
  return MINIFIED.test(path) || (/\.[mc]?js$/.test(path) && text.length > 5_000 && text.length / text.split("\n").length > MAX_MEAN_LINE);
}

/**
 * Puts a text in a file's place, in one step: who reads the file finds the one or the other. Its mode stays.
 *
 * @param {string} path
 * @param {string} before what was read
 * @param {string} after
 */
export function replace(path, before, after) {
  const { mode } = lstatSync(path);
  const beside = join(dirname(path), `.${basename(path)}.${process.pid}.flagwire`);
  const file = openSync(beside, "wx", 0o600);
  try {
    try {
      writeFileSync(file, after);
      fchmodSync(file, mode & 0o7777);
    } finally {
      closeSync(file);
    }
    if (!lstatSync(path).isFile() || readFileSync(path, "utf8") !== before) throw new Error("it was changed meanwhile");
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
