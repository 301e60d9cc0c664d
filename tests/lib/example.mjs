// The example shop, built for one server and served.

import { quietStep } from "../../scripts/lib/steps.mjs";
import { exampleDir, installExample } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { serveFiles } from "./files.mjs";
import { tempDir } from "./scope.mjs";

/**
 * @param {import("./scope.mjs").Scope} t
 * @param {string} serverUrl the flagwire-server that the shop reads from
 * @param {{ key?: string }} [options]
 * @returns {Promise<string>} the shop's URL
 */
export async function serveExample(t, serverUrl, { key = "flagwire-dev-client-key" } = {}) {
  await installExample(quietStep("example"));
  const folder = tempDir(t);
  const { code, output } = await run(process.execPath, ["node_modules/vite/bin/vite.js", "build", "--outDir", folder, "--emptyOutDir"], {
    cwd: exampleDir,
    env: { ...process.env, VITE_FLAGWIRE_URL: serverUrl, VITE_FLAGWIRE_KEY: key },
  });
  if (code !== 0) throw new Error(`vite build failed:\n${output}`);
  return serveFiles(t, folder);
}
