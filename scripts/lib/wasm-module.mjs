// The shipped WebAssembly modules: how they are compiled, bound and made small.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cargo } from "./cargo.mjs";
import { root, wasmTargetDir } from "./paths.mjs";
import { Plain, tail } from "./run.mjs";
import { wasmBindgen } from "./wasm-bindgen.mjs";
import { wasmToolchain } from "./wasm.mjs";

/** More passes, and other thresholds for inlining, are within half a per cent after brotli, either way. */
const PASSES = ["-Os", "--low-memory-unused"];
/** Features named one by one: Node 20 does not run what `--all-features` makes. */
const WASM_FEATURES = ["bulk-memory", "sign-ext", "mutable-globals", "nontrapping-float-to-int"];
/** One page of memory in place of sixteen, and shorter addresses behind it. Nothing of the client recurses; what overflows traps. */
export const STACK_BYTES = 64 * 1024;
/** The reader of YAML recurses into lists and maps. */
const READER_STACK_BYTES = 1024 * 1024;

/** Settings of the cargo profile that make a build after an edit short. */
const FAST_PROFILE = { CARGO_PROFILE_WASM_LTO: "off", CARGO_PROFILE_WASM_CODEGEN_UNITS: "16", CARGO_PROFILE_WASM_INCREMENTAL: "true", CARGO_PROFILE_WASM_OPT_LEVEL: "1", CARGO_INCREMENTAL: "1" };

/**
 * Compiles a crate. Returns the module's path.
 *
 * @param {import("./steps.mjs").Step} step
 * @param {{ crate?: string, names?: boolean, mvp?: boolean, fast?: boolean }} [options] `crate` is the page's module where nothing is said; `names` keeps the names of functions; `mvp` uses the first version of
 *   WebAssembly only, for wasm2js; `fast` compiles only what has changed, and optimises little
 * @returns {Promise<string | undefined>} nothing for `mvp` with a prebuilt standard library, which is of a later version
 */
export async function compile(step, { crate = "flagwire-npm-client", names = false, mvp = false, fast = false } = {}) {
  const toolchain = await wasmToolchain({ flavour: "ship" });
  if (mvp && toolchain.std !== "built") {
    step.done("left out: it needs rust-src, and the toolchain has a prebuilt standard library");
    return undefined;
  }
  step.say(`building with ${toolchain.origin}`);
  const stack = crate === "flagwire-npm-client" ? STACK_BYTES : READER_STACK_BYTES;
  // The stack's size is given to the last step alone, so that both modules share what is compiled before it.
  const args = ["rustc", ...toolchain.args, "--target", "wasm32-unknown-unknown", "--profile", "wasm", "-p", crate, "--lib", "--", `-Clink-arg=-zstack-size=${stack}`];
  // Reference types make the module larger and the border slower. Places of panics are paths of this machine, and nobody
  // reads them. What is small is inlined before LLVM sees it, as `opt-level = 3` does by itself and "s" does not: there is less
  // to forget about then, and the module is 4 % smaller. These flags are as unstable as building std along is.
  const unstable = toolchain.std === "built" && !fast ? " -Zlocation-detail=none -Zfmt-debug=none -Zinline-mir=yes -Zinline-mir-threshold=25" : "";
  const features = mvp ? "-Ctarget-cpu=mvp" : "-Ctarget-feature=-reference-types,-multivalue";
  // A folder of its own for each, or they would throw each other's standard library away.
  const targetDir = wasmTargetDir + (mvp ? "-mvp" : fast ? "-fast" : "");
  const env = {
    ...toolchain.env,
    CARGO_TARGET_DIR: targetDir,
    RUSTFLAGS: `${features}${unstable}`,
    ...(names && { CARGO_PROFILE_WASM_STRIP: "none" }),
    ...(fast && FAST_PROFILE),
  };
  const { code, output } = await cargo(args, step, { cwd: root, cargo: toolchain.cargo, env });
  if (code !== 0) throw new Plain(`The module could not be built:\n${tail(output, 40)}`);
  step.done(toolchain.std === "built" ? "built" : "built with the prebuilt standard library, which makes it larger");
  return join(targetDir, "wasm32-unknown-unknown", "wasm", `${crate.replaceAll("-", "_")}.wasm`);
}

/**
 * Writes the module as JavaScript can load it, and its glue, into `folder`.
 *
 * @param {string} raw @param {string} folder @param {import("./steps.mjs").Step} step @param {{ names?: boolean, as?: string }} [options] `as` is
 *   what the glue is called
 */
export async function bind(raw, folder, step, { names = false, as = "flagwire" } = {}) {
  const tools = await wasmBindgen({ step });
  const debug = names ? ["--keep-debug"] : ["--remove-producers-section"];
  tool(join(tools, "wasm-bindgen"), [raw, "--target", "web", "--no-typescript", ...debug, "--out-name", as, "--out-dir", folder]);
}

/** @param {string} from @param {string} to @param {{ names?: boolean }} [options] */
export function shrink(from, to, { names = false } = {}) {
  const features = WASM_FEATURES.map((feature) => `--enable-${feature}`);
  const debug = names ? ["-g"] : ["--strip-debug", "--strip-producers", "--strip-target-features"];
  binaryen("wasm-opt", [...PASSES, ...debug, ...features, from, "-o", to]);
}

/**
 * Writes a module of the first version of WebAssembly as a script: one function `instantiate`, from imports to exports.
 *
 * @param {string} from @param {string} to
 */
export function translate(from, to) {
  const lowered = `${to}.wasm`;
  // The standard library copies memory by an instruction that came later.
  binaryen("wasm-opt", ["-Oz", "--strip-debug", "--strip-producers", "--strip-target-features", "--enable-bulk-memory", "--llvm-memory-copy-fill-lowering", from, "-o", lowered]);
  // The other flavour imports by itself.
  binaryen("wasm2js", ["-Oz", "--emscripten", lowered, "-o", to]);
}

/** @param {string} name @param {string[]} args */
function binaryen(name, args) {
  tool(process.execPath, [join(root, "node_modules", "binaryen", "bin", name), ...args]);
}

/** @param {string} program @param {string[]} args */
export function tool(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Plain(`${program} failed:\n${error?.message ?? ""}${tail(`${stdout}\n${stderr}`, 40)}`);
}
