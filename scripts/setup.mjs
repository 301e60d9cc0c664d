// `npm run setup`: installs what building and testing need, and nothing that is here already. `npm start` and `npm test`
// call `setUp` themselves; other scripts take the single parts from here.

import { pathToFileURL } from "node:url";
import { rustVersion, atLeast } from "./lib/paths.mjs";
import { npmInstall } from "./lib/npm.mjs";
import { chromium, otherEngines, proxyPrograms, redisServer } from "./lib/programs.mjs";
import { ask, Plain } from "./lib/run.mjs";
import { quietStep, script, Steps } from "./lib/steps.mjs";
import { wasmBindgen } from "./lib/wasm-bindgen.mjs";
import { wasmToolchain } from "./lib/wasm.mjs";

export { chromium, npmInstall, otherEngines, proxyPrograms, redisServer, wasmBindgen, wasmToolchain };

/**
 * Checks the Node and the Rust that the rest builds on; these two are the user's to install.
 *
 * @param {{ step?: import("./lib/steps.mjs").Step }} [options]
 */
export function prerequisites({ step = quietStep("Node and Rust") } = {}) {
  if (!atLeast(process.versions.node, "20.19")) {
    throw new Plain(`Node 20.19 or later is needed; this is ${process.versions.node}. See https://nodejs.org.`);
  }
  const rustc = /^rustc (\S+)/.exec(ask("rustc", ["--version"]) ?? "")?.[1];
  if (!rustc || ask("cargo", ["--version"]) === undefined) {
    throw new Plain(`Rust is not installed (no rustc or cargo in PATH): get it from https://rustup.rs, version ${rustVersion()} or later.`);
  }
  if (!atLeast(rustc, rustVersion())) {
    throw new Plain(`Rust ${rustVersion()} or later is needed; this is ${rustc}. Run: rustup update stable`);
  }
  step.done(`Node ${process.versions.node}, Rust ${rustc}`);
}

/**
 * The whole set-up.
 *
 * @param {{ tests?: boolean, further?: number }} [options] `tests` (default true) includes what only the tests need;
 *   `further` is how many steps the caller will add to the count
 * @returns {Promise<Steps>} to go on with
 */
export async function setUp({ tests = true, further = 0 } = {}) {
  const steps = new Steps((tests ? 8 : 4) + further);
  await steps.run("Node and Rust", (step) => prerequisites({ step }));
  await steps.run("wasm toolchain", (step) => wasmToolchain({ step }));
  await steps.run("wasm-bindgen", (step) => wasmBindgen({ step }));
  await steps.run("npm dependencies", (step) => npmInstall(undefined, { step }));
  if (tests) {
    await steps.run("Chromium", (step) => chromium({ step }));
    await steps.run("Firefox and WebKit", async (step) => {
      try {
        await otherEngines({ step });
      } catch (error) {
        // The suite that needs them fails with the same sentence, and the others run.
        if (!(error instanceof Plain)) throw error;
        step.done(error.message);
      }
    });
    await steps.run("Redis", (step) => redisServer({ step }));
    await steps.run("nginx", (step) => proxyPrograms({ step }));
  }
  return steps;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  script(async () => {
    await setUp({ tests: !process.argv.includes("--no-tests") });
  });
}
