// What a result was measured on and with.

import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { chromium } from "../../scripts/setup.mjs";
import { ask } from "../../scripts/lib/run.mjs";
import { root } from "../../scripts/lib/paths.mjs";
import { peers } from "../size/entries.mjs";

/** @param {string} name of an installed package */
export function version(name) {
  return JSON.parse(readFileSync(join(root, "bench", "node_modules", name, "package.json"), "utf8")).version;
}

/** The commit that is measured, with a mark where files of the product differ from it. */
export function commit() {
  const git = (/** @type {string[]} */ ...args) => (ask("git", ["-C", root, ...args]) ?? "").trim();
  const changed = git("status", "--porcelain", "--", "src", "crates", "pkg-template", "Cargo.toml", "Cargo.lock", "scripts/build.mjs");
  return `${git("rev-parse", "--short", "HEAD") || "no commit"}${changed ? " with uncommitted changes" : ""}`;
}

export async function machine() {
  const { browser } = await chromium({ driver: false });
  return {
    cpu: `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${release()}`,
    node: process.version,
    chromium: (ask(browser, ["--version"]) ?? "").replace(/^(\S+ [\d.]+).*$/s, "$1").trim(),
    rust: (ask("rustc", ["--version"]) ?? "unknown").trim(),
    peers: Object.fromEntries([...new Set(peers.map((peer) => peer.package))].map((name) => [name, version(name)])),
  };
}

/** How busy the machine was: processes that wanted to run, mean of the last minute. */
export function load() {
  return loadavg()[0];
}
