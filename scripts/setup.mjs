// `npm run setup`: installs what building and testing need, and nothing that is here already. `npm start` calls `setUp` itself, `npm test`
// sets up what the suites that it runs use; other scripts take the single parts from here.

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
 * Checks the Node that everything runs on; it is the user's to install.
 *
 * @param {{ step?: import("./lib/steps.mjs").Step }} [options]
 */
function node({ step = quietStep("Node") } = {}) {
  if (!atLeast(process.versions.node, "20.19")) {
    throw new Plain(`Node 20.19 or later is needed; this is ${process.versions.node}. See https://nodejs.org.`);
  }
  step.done(process.versions.node);
}

/**
 * Checks the Rust for native builds; it is the user's to install.
 *
 * @param {{ step?: import("./lib/steps.mjs").Step }} [options]
 */
function rust({ step = quietStep("Rust") } = {}) {
  const rustc = /^rustc (\S+)/.exec(ask("rustc", ["--version"]) ?? "")?.[1];
  if (!rustc || ask("cargo", ["--version"]) === undefined) {
    throw new Plain(`Rust is not installed (no rustc or cargo in PATH): get it from https://rustup.rs, version ${rustVersion()} or later.`);
  }
  if (!atLeast(rustc, rustVersion())) {
    throw new Plain(`Rust ${rustVersion()} or later is needed; this is ${rustc}. Run: rustup update stable`);
  }
  step.done(rustc);
}

/**
 * What can be set up, by the names that suites use.
 *
 * @type {{ [part in import("./lib/suites.mjs").Part]: { title: string, work: (step: import("./lib/steps.mjs").Step) => unknown }[] }}
 */
const PARTS = {
  rust: [{ title: "Rust", work: (step) => rust({ step }) }],
  wasm: [
    { title: "wasm toolchain", work: (step) => wasmToolchain({ step }) },
    { title: "wasm-bindgen", work: (step) => wasmBindgen({ step }) },
  ],
  chromium: [{ title: "Chromium", work: (step) => chromium({ step, driver: false }) }],
  chromedriver: [{ title: "Chromium and chromedriver", work: (step) => chromium({ step }) }],
  engines: [{ title: "Firefox and WebKit", work: orSay(otherEngines) }],
  redis: [{ title: "Redis", work: (step) => redisServer({ step }) }],
  nginx: [{ title: "nginx", work: (step) => proxyPrograms({ step }) }],
};

/**
 * The suite that needs it fails with the same sentence, and the others run.
 *
 * @param {(options: { step: import("./lib/steps.mjs").Step }) => Promise<unknown>} install
 * @returns {(step: import("./lib/steps.mjs").Step) => Promise<void>}
 */
function orSay(install) {
  return async (step) => {
    try {
      await install({ step });
    } catch (error) {
      if (!(error instanceof Plain)) throw error;
      step.done(error.message);
    }
  };
}

/**
 * Sets up what some suites use, besides Node and the npm dependencies, and nothing else.
 *
 * @param {Set<import("./lib/suites.mjs").Part>} parts
 * @param {number} [further] how many steps the caller will add to the count
 * @returns {Promise<Steps>} to go on with
 */
export async function setUpFor(parts, further = 0) {
  // With the driver comes the browser.
  const work = /** @type {(keyof typeof PARTS)[]} */ (Object.keys(PARTS)).flatMap((part) => (parts.has(part) && !(part === "chromium" && parts.has("chromedriver")) ? PARTS[part] : []));
  const steps = new Steps(2 + work.length + further);
  await steps.run("Node", (step) => node({ step }));
  await steps.run("npm dependencies", (step) => npmInstall(undefined, { step }));
  for (const { title, work: run } of work) await steps.run(title, run);
  return steps;
}

/**
 * The whole set-up.
 *
 * @param {{ tests?: boolean, further?: number }} [options] `tests` (default true) includes what only the tests need;
 *   `further` is how many steps the caller will add to the count
 * @returns {Promise<Steps>} to go on with
 */
export function setUp({ tests = true, further = 0 } = {}) {
  return setUpFor(new Set(tests ? ["rust", "wasm", "chromedriver", "engines", "redis", "nginx"] : ["rust", "wasm"]), further);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  script(async () => {
    await setUp({ tests: !process.argv.includes("--no-tests") });
  });
}
