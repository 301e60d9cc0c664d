// npm dependencies of a folder, installed only when its lock file has changed since.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { Plain, run, tail } from "./run.mjs";
import { quietStep } from "./steps.mjs";

/**
 * @param {string} [dir] a folder with a package.json; the project's root by default
 * @param {{ step?: import("./steps.mjs").Step }} [options]
 * @returns {Promise<boolean>} whether anything was installed
 */
export async function npmInstall(dir = root, { step = quietStep("npm dependencies") } = {}) {
  const lock = join(dir, "package-lock.json");
  // npm writes this file at the end of every install.
  const marker = join(dir, "node_modules", ".package-lock.json");
  const sources = [join(dir, "package.json"), lock].filter((path) => existsSync(path));
  if (existsSync(marker) && sources.every((path) => statSync(path).mtimeMs <= statSync(marker).mtimeMs)) {
    step.done("up to date");
    return false;
  }
  await npm(existsSync(lock) ? ["ci"] : ["install"], dir, step);
  step.done("installed");
  return true;
}

/**
 * Runs npm in a folder.
 *
 * @param {string[]} args
 * @param {string} dir
 * @param {import("./steps.mjs").Step} step
 */
export async function npm(args, dir, step) {
  step.say(`npm ${args[0]} in ${dir}`);
  const program = process.platform === "win32" ? "npm.cmd" : "npm";
  const { code, output } = await run(program, [...args, "--no-audit", "--no-fund"], { cwd: dir });
  if (code !== 0) throw new Plain(`npm ${args.join(" ")} failed in ${dir}:\n${tail(output)}`);
}
