#!/usr/bin/env node
// Runs the server's program, which is in a package of its own for each platform, with the same arguments and streams.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";

const require = createRequire(import.meta.url);
const platform = `${process.platform}-${process.arch}`;
const name = `@flagwire/server-${platform}`;

/** @returns {string} what to do where the program is missing */
function advice() {
  const { optionalDependencies = {} } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
  const build = "With Rust installed, `cargo install flagwire-server` builds it.";
  if (!(name in optionalDependencies)) return `flagwire-server is not published for ${platform}, only for ${Object.keys(optionalDependencies).map((one) => one.replace("@flagwire/server-", "")).join(", ")}. ${build}`;
  return `The package ${name}, which holds flagwire-server for this system, is not installed. Install flagwire-server again without --omit=optional; if node_modules or the lock file came from another system, delete both first. On Linux it needs glibc, which Alpine lacks. ${build}`;
}

function program() {
  try {
    return require.resolve(`${name}/flagwire-server`);
  } catch {
    console.error(advice());
    process.exit(1);
  }
}

const child = spawn(program(), process.argv.slice(2), { stdio: "inherit" });
child.on("error", (error) => {
  console.error(`flagwire-server cannot be run: ${error.message}`);
  process.exit(1);
});
for (const signal of /** @type {const} */ (["SIGTERM", "SIGHUP", "SIGINT"])) {
  process.on(signal, () => {
    // A terminal sends an interrupt to both, and the second one would end the server before its streams are closed.
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
// The shell's convention for a program that a signal ended.
child.on("exit", (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)));
