// A Rust toolchain that can build for wasm32-unknown-unknown. The order is: what is installed already, Debian's packages,
// rustup. A toolchain that has the standard library's source is preferred to one with a prebuilt library, because
// building std along with the SDK makes the shipped file smaller.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import * as apt from "./apt.mjs";
import { cargo } from "./cargo.mjs";
import { atLeast, cacheDir, rustVersion, wasmTargetDir } from "./paths.mjs";
import { ask, isProgram, Plain, run, tail, which } from "./run.mjs";
import { quietStep } from "./steps.mjs";

const TARGET = "wasm32-unknown-unknown";
const DEBIAN = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm"];

/**
 * @typedef {object} Toolchain
 * @property {string} cargo full path of the cargo to call
 * @property {NodeJS.ProcessEnv} env the whole environment to call it with: its rustc first in `PATH`, `CARGO_TARGET_DIR` set
 * @property {string[]} args to put after cargo's subcommand; `--target wasm32-unknown-unknown` is not among them
 * @property {"built" | "prebuilt"} std whether the standard library is built along
 * @property {string} origin for messages, e.g. `rustc 1.96.0 in /usr/bin`
 */

/**
 * Finds, or else installs, a toolchain for wasm.
 *
 * @param {{ flavour?: "ship" | "test", step?: import("./steps.mjs").Step }} [options] `ship` (default) is for the shipped
 *   file, with the cargo profile `wasm`, where a panic is a trap; `test` for `cargo test`, where a panic has its message.
 * @returns {Promise<Toolchain>}
 */
export async function wasmToolchain({ flavour = "ship", step = quietStep("wasm toolchain") } = {}) {
  const found = (await firstThatWorks(installed(), step)) ?? (await fromDebian(step)) ?? (await fromRustup(step));
  if (!found) throw new Plain(advice());
  const toolchain = describe(found, flavour);
  step.done(`${toolchain.origin}, standard library ${toolchain.std === "built" ? "built along" : "prebuilt (a larger file than with rust-src)"}`);
  return toolchain;
}

/**
 * @typedef {object} Candidate
 * @property {string} bin folder with cargo and rustc
 * @property {string} version
 * @property {"built" | "prebuilt"} std
 */

/** Every toolchain on this machine that has what a wasm build needs; those that build std first. */
function installed() {
  const bins = new Set();
  const active = ask("rustc", ["--print", "sysroot"], { env: withoutOverrides() });
  if (active) bins.add(join(active, "bin"));
  const rustup = join(process.env.RUSTUP_HOME ?? join(process.env.HOME ?? "", ".rustup"), "toolchains");
  if (existsSync(rustup)) { for (const name of readdirSync(rustup)) bins.add(join(rustup, name, "bin")); }
  bins.add("/usr/bin");
  const candidates = [...bins].map(candidate).filter((one) => one !== undefined);
  return [...candidates.filter((one) => one.std === "built"), ...candidates.filter((one) => one.std === "prebuilt")];
}

/**
 * @param {string} bin
 * @returns {Candidate | undefined}
 */
function candidate(bin) {
  if (!isProgram(join(bin, "cargo")) || !isProgram(join(bin, "rustc"))) return undefined;
  const version = /^rustc (\S+)/.exec(ask(join(bin, "rustc"), ["--version"]) ?? "")?.[1];
  if (!version || !atLeast(version, rustVersion())) return undefined;
  const library = join(dirname(bin), "lib", "rustlib");
  if (existsSync(join(library, "src", "rust", "library", "std", "Cargo.toml"))) return { bin, version, std: "built" };
  if (existsSync(join(library, TARGET, "lib"))) return { bin, version, std: "prebuilt" };
  return undefined;
}

/** @param {import("./steps.mjs").Step} step */
async function fromDebian(step) {
  if (!apt.mayInstall() || !(await apt.offers(DEBIAN, step))) return undefined;
  try {
    await apt.install(DEBIAN, step);
    await installLinker(step);
  } catch (error) {
    if (!(error instanceof Plain)) throw error;
    step.say(error.message);
    return undefined;
  }
  return firstThatWorks(installed(), step);
}

/**
 * Debian's rust-lld is a link to the lld of one LLVM version, which its package does not ask for.
 *
 * @param {import("./steps.mjs").Step} step
 */
async function installLinker(step) {
  const link = "/usr/bin/rust-lld";
  const lld = readlinkSync(link).split("/").at(-1);
  if (lld && !existsSync(link)) await apt.install([lld], step);
}

/** @param {import("./steps.mjs").Step} step */
async function fromRustup(step) {
  if (process.env.FLAGWIRE_NO_INSTALL || !which("rustup")) return undefined;
  for (const args of [["component", "add", "rust-src"], ["target", "add", TARGET]]) {
    step.say(`rustup ${args.join(" ")}`);
    const { code, output } = await run("rustup", args, { env: withoutOverrides() });
    if (code !== 0) {
      step.say(`rustup could not: ${tail(output, 1)}`);
      continue;
    }
    const found = await firstThatWorks(installed(), step);
    if (found) return found;
  }
  return undefined;
}

/**
 * @param {Candidate[]} candidates
 * @param {import("./steps.mjs").Step} step
 */
async function firstThatWorks(candidates, step) {
  for (const one of candidates) if (await works(one, step)) return one;
  return undefined;
}

/**
 * Whether a toolchain really compiles and links a module: tried once with a crate of one function, then remembered.
 *
 * @param {Candidate} one
 * @param {import("./steps.mjs").Step} step
 */
async function works(one, step) {
  const identity = `${one.bin}\n${one.std}\n${ask(join(one.bin, "rustc"), ["-vV"])}`;
  const proof = join(cacheDir, `toolchain-${createHash("sha256").update(identity).digest("hex").slice(0, 16)}`);
  const verdict = join(proof, "works");
  if (existsSync(verdict) && readFileSync(verdict, "utf8") === identity) return true;

  step.say(`trying ${one.bin}/rustc ${one.version} with a small crate`);
  mkdirSync(proof, { recursive: true });
  writeFileSync(
    join(proof, "Cargo.toml"),
    '[package]\nname = "proof"\nversion = "0.0.0"\nedition = "2024"\n\n[lib]\npath = "proof.rs"\ncrate-type = ["cdylib"]\n\n[profile.dev]\ndebug = false\n\n[workspace]\n',
  );
  writeFileSync(
    join(proof, "proof.rs"),
    '#![no_std]\n#[panic_handler]\nfn panic(_: &core::panic::PanicInfo<\'_>) -> ! {\n    loop {}\n}\n#[unsafe(no_mangle)]\npub extern "C" fn answer() -> u32 {\n    42\n}\n',
  );
  const { cargo: program, env } = describe(one, "test");
  const buildStd = one.std === "built" ? ["-Zbuild-std=core"] : [];
  const { code, output } = await cargo(["build", "--target", TARGET, ...buildStd], step, {
    cargo: program,
    cwd: proof,
    env: { ...env, CARGO_TARGET_DIR: join(proof, "target") },
  });
  rmSync(join(proof, "target"), { recursive: true, force: true });
  if (code !== 0) {
    step.say(`it does not build for ${TARGET}: ${/^error.*$/m.exec(output)?.[0] ?? tail(output, 1)}`);
    return false;
  }
  writeFileSync(verdict, identity);
  return true;
}

/**
 * @param {Candidate} one
 * @param {"ship" | "test"} flavour
 * @returns {Toolchain}
 */
function describe(one, flavour) {
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...withoutOverrides(), CARGO_TARGET_DIR: wasmTargetDir };
  env.PATH = [one.bin, process.env.PATH].join(delimiter);
  /** @type {string[]} */
  const args = [];
  if (one.std === "built") {
    // The flags below are not stable yet; this lets a stable compiler take them. Only here, not in .cargo/config.toml:
    // native builds must not see it.
    env.RUSTC_BOOTSTRAP = "1";
    args.push("-Zbuild-std=std,panic_abort");
    if (flavour === "ship") {
      args.push("-Zbuild-std-features=optimize_for_size", "-Zpanic-immediate-abort");
      env.CARGO_PROFILE_WASM_PANIC = "immediate-abort";
    }
  }
  return { cargo: join(one.bin, "cargo"), env, args, std: one.std, origin: `rustc ${one.version} in ${one.bin}` };
}

/** The environment without what would send cargo to another compiler. */
function withoutOverrides() {
  const env = { ...process.env };
  delete env.RUSTC;
  delete env.RUSTUP_TOOLCHAIN;
  return env;
}

function advice() {
  const ways = ["rustup target add wasm32-unknown-unknown && rustup component add rust-src"];
  if (which("apt-get")) ways.push(`sudo apt-get install ${DEBIAN.join(" ")}`);
  return [
    `No Rust toolchain here builds for ${TARGET} (Rust ${rustVersion()} or later is needed). Either of these mends it:`,
    ...ways.map((way) => `  ${way}`),
    "Then run the command again.",
  ].join("\n");
}
