// What the project makes and the scripts run: the npm package, the server's binary, the example's dependencies.

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cargo } from "./cargo.mjs";
import { ifChanged } from "./fresh.mjs";
import { npm } from "./npm.mjs";
import { nativeTargetDir, root } from "./paths.mjs";
import { Plain, run, tail } from "./run.mjs";

/** The built npm package. */
export const packageDir = join(root, "pkg");
/** Says what the package was last built from by `buildPackage`. */
export const packageStamp = join(root, "target", "stamps", "package");
export const exampleDir = join(root, "www-example");

/** @typedef {import("./steps.mjs").Step} Step */

/**
 * Builds the npm package into pkg/ unless nothing that goes into it has changed.
 *
 * @param {Step} step
 */
export async function buildPackage(step) {
  if (!existsSync(join(packageDir, "package.json"))) rmSync(packageStamp, { force: true });
  const inputs = ["crates/core", "crates/evaluation", "crates/flags-file", "crates/npm-cli", "crates/npm-client", "pkg-template", "Cargo.toml", "Cargo.lock", "package-lock.json", "scripts/build.mjs", "scripts/lib"].map((path) =>
    join(root, path)
  );
  const built = await ifChanged(packageStamp, inputs, async () => {
    step.say("building it, a minute or so the first time");
    const { code, output } = await run(process.execPath, [join(root, "scripts", "build.mjs")], {
      cwd: root,
      onLine: (line) => step.progress(line.trim()),
    });
    if (code !== 0) throw new Plain(`The npm package could not be built:\n${tail(output, 40)}`);
  });
  step.done(built ? "built into pkg/" : "pkg/ is up to date");
}

/**
 * Builds the server and returns the path of its binary.
 *
 * @param {Step} step
 */
export async function buildServer(step) {
  const { code, output } = await cargo(["build", "--release", "-p", "flagwire-server"], step, { cwd: root });
  if (code !== 0) throw new Plain(`The server could not be built:\n${tail(output, 40)}`);
  step.done(/Compiling flagwire-server/.test(output) ? "built" : "up to date");
  return join(nativeTargetDir, "release", process.platform === "win32" ? "flagwire-server.exe" : "flagwire-server");
}

/**
 * Installs the example's dependencies, with pkg/ packed and copied in as a registry's package would be.
 *
 * @param {Step} step
 */
export async function installExample(step) {
  const modules = join(exampleDir, "node_modules");
  const inputs = [packageDir, join(exampleDir, "package.json"), join(exampleDir, "package-lock.json")];
  const installed = await ifChanged(join(modules, ".flagwire-stamp"), inputs, async () => {
    // npm takes an installed copy of the same version for current, and Vite its cache of it.
    rmSync(join(modules, "flagwire"), { recursive: true, force: true });
    rmSync(join(modules, ".vite"), { recursive: true, force: true });
    await npm(existsSync(join(modules, "vite")) ? ["install", "--no-save"] : ["ci"], exampleDir, step);
  });
  step.done(installed ? "installed" : "up to date");
}
