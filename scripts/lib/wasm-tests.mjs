// Rust tests that run in headless Chromium.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, wasmTargetDir } from "./paths.mjs";
import { chromium } from "./programs.mjs";
import { wasmBindgen } from "./wasm-bindgen.mjs";
import { wasmToolchain } from "./wasm.mjs";

/** Chromium as these tests start it: no window, no traffic of its own. */
const CHROMIUM_ARGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/**
 * `cargo test` for wasm32, with wasm-bindgen's runner.
 *
 * @param {string[]} which cargo's arguments: the packages, the targets
 * @param {{ chromiumArgs?: string[] }} [options] what Chromium gets besides
 * @returns {Promise<{ program: string, args: string[], env: NodeJS.ProcessEnv }>}
 */
export async function browserTests(which, { chromiumArgs = [] } = {}) {
  const { cargo: program, args, env } = await wasmToolchain({ flavour: "test" });
  const { browser, driver } = await chromium();
  // One for each run: several may be under way.
  const capabilities = join(wasmTargetDir, `webdriver-${process.pid}.json`);
  mkdirSync(wasmTargetDir, { recursive: true });
  writeFileSync(capabilities, JSON.stringify({ "goog:chromeOptions": { binary: browser, args: [...CHROMIUM_ARGS, ...chromiumArgs] } }));
  process.once("exit", () => rmSync(capabilities, { force: true }));
  return {
    program,
    args: ["test", "--target", "wasm32-unknown-unknown", ...args, ...which],
    env: {
      ...env,
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: join(await wasmBindgen(), "wasm-bindgen-test-runner"),
      CHROMEDRIVER: driver,
      WASM_BINDGEN_TEST_WEBDRIVER_JSON: capabilities,
      WASM_BINDGEN_USE_BROWSER: "1",
      // Both in seconds, and far beyond what is needed: a slow machine is no reason to fail.
      WASM_BINDGEN_TEST_TIMEOUT: "300",
      WASM_BINDGEN_TEST_DRIVER_TIMEOUT: "60",
    },
  };
}

/**
 * Makes the scripts that the tests in `crates/npm-client/tests/shipped` import: the package's wire and values as one file, and the inputs that were found by
 * playing random lives.
 */
export async function shippedScripts() {
  // The macro that imports them looks in its own crate only.
  const crate = join(root, "crates", "npm-client");
  const folder = join(crate, "target", "shipped");
  mkdirSync(folder, { recursive: true });
  // Imported here, because this file is read before the npm dependencies are installed.
  const { build } = await import("esbuild");
  await build({
    entryPoints: [join(crate, "tests", "shipped", "wire.ts")],
    outfile: join(folder, "wire.js"),
    bundle: true,
    format: "esm",
    target: "es2022",
    define: { VERSION: '"0"', DEVELOPMENT: "false" },
    logLevel: "warning",
  });
  const corpus = join(root, "fuzz", "corpus", "client");
  const lives = readdirSync(corpus).sort().map((name) => [...readFileSync(join(corpus, name))]);
  writeFileSync(join(folder, "corpus.js"), `export function corpus() { return ${JSON.stringify(lives)}.map((life) => Uint8Array.from(life)); }\n`);
}
