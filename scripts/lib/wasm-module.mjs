// The shipped WebAssembly module: how it is compiled, bound and made small.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cargo } from "./cargo.mjs";
import { root, wasmTargetDir } from "./paths.mjs";
import { Plain, tail } from "./run.mjs";
import { wasmBindgen } from "./wasm-bindgen.mjs";
import { wasmToolchain } from "./wasm.mjs";

/** Features named one by one: Node 20 does not run what `--all-features` makes. */
const WASM_FEATURES = ["bulk-memory", "sign-ext", "mutable-globals", "nontrapping-float-to-int"];

/**
 * Compiles the crate. Returns the module's path.
 *
 * @param {import("./steps.mjs").Step} step
 * @param {{ names?: boolean }} [options] `names` keeps the names of functions
 */
export async function compile(step, { names = false } = {}) {
  const toolchain = await wasmToolchain({ flavour: "ship" });
  step.say(`building with ${toolchain.origin}`);
  const args = ["build", ...toolchain.args, "--target", "wasm32-unknown-unknown", "--profile", "wasm", "-p", "flagwire", "--lib"];
  // Reference types make the module larger and the border slower. Places of panics are paths of this machine, and nobody
  // reads them; these flags are as unstable as building std along is.
  const silent = toolchain.std === "built" ? " -Zlocation-detail=none -Zfmt-debug=none" : "";
  const env = { ...toolchain.env, RUSTFLAGS: `-Ctarget-feature=-reference-types,-multivalue${silent}`, ...(names && { CARGO_PROFILE_WASM_STRIP: "none" }) };
  const { code, output } = await cargo(args, step, { cwd: root, cargo: toolchain.cargo, env });
  if (code !== 0) throw new Plain(`The module could not be built:\n${tail(output, 40)}`);
  step.done(toolchain.std === "built" ? "built" : "built with the prebuilt standard library, which makes it larger");
  return join(wasmTargetDir, "wasm32-unknown-unknown", "wasm", "flagwire.wasm");
}

/**
 * Writes the module as JavaScript can load it, and its glue, into `folder`.
 *
 * @param {string} raw @param {string} folder @param {import("./steps.mjs").Step} step @param {{ names?: boolean }} [options]
 */
export async function bind(raw, folder, step, { names = false } = {}) {
  const tools = await wasmBindgen({ step });
  const debug = names ? ["--keep-debug"] : ["--remove-producers-section"];
  tool(join(tools, "wasm-bindgen"), [raw, "--target", "web", "--no-typescript", ...debug, "--out-dir", folder]);
}

/** @param {string} from @param {string} to @param {{ names?: boolean }} [options] */
export function shrink(from, to, { names = false } = {}) {
  const features = WASM_FEATURES.map((feature) => `--enable-${feature}`);
  const debug = names ? ["-g"] : ["--strip-debug", "--strip-producers", "--strip-target-features"];
  tool(process.execPath, [join(root, "node_modules", "binaryen", "bin", "wasm-opt"), "-Oz", ...debug, ...features, from, "-o", to]);
}

/** @param {string} program @param {string[]} args */
export function tool(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Plain(`${program} failed:\n${error?.message ?? ""}${tail(`${stdout}\n${stderr}`, 40)}`);
}
