// The project's version: `[workspace.package]` in Cargo.toml has it, and everything else takes it from there.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { Plain } from "./run.mjs";

const MANIFEST = join(root, "Cargo.toml");
const LOCK = join(root, "Cargo.lock");
const CHANGELOG = join(root, "CHANGELOG.md");

export function version() {
  const found = /^version = "([^"]+)"/m.exec(readFileSync(MANIFEST, "utf8"))?.[1];
  if (!found) throw new Plain("Cargo.toml names no version in [workspace.package]");
  return found;
}

/**
 * The files that say a version, as they have to be for another one.
 *
 * @param {string} next
 * @param {{ manifest: string, lock: string, changelog: string }} files
 * @param {string} day the date of the release, as in 2026-11-28
 */
export function withVersion(next, { manifest, lock, changelog }, day) {
  if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(next)) throw new Plain(`${next} is no version; write it as 1.2.3 or 1.2.3-rc.1.`);
  const old = /^version = "([^"]+)"/m.exec(manifest)?.[1] ?? "";
  // Crates of the workspace have a path; everything else in the lock file has a source.
  const own = [...lock.matchAll(/^\[\[package\]\]\nname = "([^"]+)"\nversion = "([^"]+)"\n(?!source)/gm)].filter(([, , of]) => of === old).map(([, name = ""]) => name);
  return {
    manifest: manifest.replace(/^version = "[^"]+"/m, `version = "${next}"`).replace(/^([\w-]+ = \{ path = "[^"]+", version = )"[^"]+"/gm, `$1"${next}"`),
    lock: own.reduce((text, name) => text.replace(`name = "${name}"\nversion = "${old}"`, `name = "${name}"\nversion = "${next}"`), lock),
    changelog: changelog.replace(/^## \S+, not released yet$/m, `## ${next}, ${day}`),
  };
}

/** @param {string} next */
export function setVersion(next) {
  const [manifest, lock, changelog] = [MANIFEST, LOCK, CHANGELOG].map((path) => readFileSync(path, "utf8"));
  const files = withVersion(next, { manifest, lock, changelog }, new Date().toISOString().slice(0, 10));
  writeFileSync(MANIFEST, files.manifest);
  writeFileSync(LOCK, files.lock);
  writeFileSync(CHANGELOG, files.changelog);
}
