// The wasm-bindgen CLI of exactly the version in Cargo.lock: library and CLI speak a format that changes between patches.

import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cargo } from "./cargo.mjs";
import { cacheDir, lockedVersion, nativeTargetDir } from "./paths.mjs";
import { ask, Plain, tail } from "./run.mjs";
import { quietStep } from "./steps.mjs";

/**
 * The folder with `wasm-bindgen` and `wasm-bindgen-test-runner`; installed at first use.
 *
 * @param {{ step?: import("./steps.mjs").Step }} [options]
 * @returns {Promise<string>}
 */
export async function wasmBindgen({ step = quietStep("wasm-bindgen") } = {}) {
  const version = lockedVersion("wasm-bindgen");
  if (!version) throw new Plain("Cargo.lock names no wasm-bindgen: run `cargo generate-lockfile` and commit the file.");
  const home = join(cacheDir, `wasm-bindgen-${version}`);
  const bin = join(home, "bin");
  const present = () => ask(join(bin, "wasm-bindgen"), ["--version"])?.endsWith(version) && existsSync(join(bin, "wasm-bindgen-test-runner"));
  if (!present()) await install(version, home, step);
  if (!present()) throw new Plain(`wasm-bindgen ${version} was installed into ${home} but does not run there; remove the folder and try again.`);
  step.done(version);
  return bin;
}

/**
 * @param {string} version
 * @param {string} home
 * @param {import("./steps.mjs").Step} step
 */
async function install(version, home, step) {
  step.say(`building the CLI ${version} with cargo install, a minute or two`);
  // Built in another folder and moved, so that an interrupted build leaves no half folder.
  const aside = `${home}.part`;
  rmSync(aside, { recursive: true, force: true });
  // Without --locked: the lock file of this crate names a version that was withdrawn.
  const { code, output } = await cargo(["install", "wasm-bindgen-cli", "--version", version, "--root", aside], step, {
    env: {
      ...process.env,
      CARGO_TARGET_DIR: join(nativeTargetDir, "wasm-bindgen-cli"),
      // Building it fast matters more than its speed.
      CARGO_PROFILE_RELEASE_OPT_LEVEL: "0",
      CARGO_PROFILE_RELEASE_LTO: "off",
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "256",
    },
  });
  if (code !== 0) throw new Plain(`cargo could not install wasm-bindgen-cli ${version}:\n${tail(output)}`);
  rmSync(home, { recursive: true, force: true });
  renameSync(aside, home);
}
