// Where things are, and which versions the project asks for.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Tools that are not the project's own but exact to it (the wasm-bindgen CLI) live here, across checkouts. */
export const cacheDir = process.env.FLAGWIRE_CACHE ?? join(homedir(), ".cache", "flagwire");

/** wasm is built with its own toolchain and into its own folder, so that native builds are never thrown away for it. */
export const wasmTargetDir = join(root, "target", "wasm");

/** Where native cargo puts its output; an absolute path. */
export const nativeTargetDir = process.env.CARGO_TARGET_DIR ?? join(root, "target");

/** The oldest Rust that builds the project: `rust-version` of the workspace. */
export function rustVersion() {
  const manifest = readFileSync(join(root, "Cargo.toml"), "utf8");
  return /^rust-version = "([\d.]+)"/m.exec(manifest)?.[1] ?? "1.95";
}

/**
 * The version of a crate in Cargo.lock.
 *
 * @param {string} name
 * @returns {string | undefined}
 */
export function lockedVersion(name) {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  return new RegExp(`^name = "${name}"\\r?\\nversion = "([^"]+)"`, "m").exec(lock)?.[1];
}

/**
 * Whether version `a` is at least `b`; only the numbers are compared (`1.96.0-nightly` is `1.96.0`).
 *
 * @param {string} a
 * @param {string} b
 */
export function atLeast(a, b) {
  const [left, right] = [a, b].map((version) => version.split("-")[0].split(".").map(Number));
  for (let i = 0; i < 3; i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
