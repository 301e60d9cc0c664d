// A page made of one script, bundled as an application would be, and served.

import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { packageDir } from "../../scripts/lib/products.mjs";
import { serveFiles } from "./files.mjs";
import { tempDir } from "./scope.mjs";

/**
 * Bundles `script` and serves a page that loads it. Packages are looked for from `folder`; `flagwire` and its entries are
 * those of pkg/, with the WebAssembly file beside the script.
 *
 * @param {import("./scope.mjs").Scope} t
 * @param {string} folder the test's folder, whose node_modules has what the script imports
 * @param {string} script
 * @param {{ body?: string, alias?: Record<string, string>, headers?: Record<string, string>, define?: Record<string, string>, onFolder?: (folder: string) => void }} [options]
 *   `body` is the page's HTML, `alias` replaces packages, `headers` go with every reply, `onFolder` may change what is served
 * @returns {Promise<string>} the page's URL
 */
export async function servePage(t, folder, script, { body = '<div id="root"></div>', alias = {}, headers, define, onFolder } = {}) {
  const served = tempDir(t);
  await build({
    stdin: { contents: script, resolveDir: folder, loader: "tsx" },
    outfile: join(served, "page.js"),
    bundle: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"development"', ...define },
    logLevel: "warning",
    nodePaths: [join(folder, "node_modules")],
    plugins: [aliasPlugin(alias, folder), packagePlugin()],
  });
  const wasm = join(packageDir, "flagwire.wasm");
  if (existsSync(wasm)) copyFileSync(wasm, join(served, "flagwire.wasm"));
  writeFileSync(
    join(served, "index.html"),
    `<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,"><body>${body}<script type="module" src="page.js"></script>`,
  );
  onFolder?.(served);
  return serveFiles(t, served, { headers });
}

/**
 * Bundles `script` for Node.
 *
 * @param {import("./scope.mjs").Scope} t
 * @param {string} folder as for `servePage`
 * @param {string} script
 * @param {{ alias?: Record<string, string> }} [options]
 * @returns {Promise<string>} the file to run
 */
export async function bundleForNode(t, folder, script, { alias = {} } = {}) {
  const outfile = join(tempDir(t), "script.cjs");
  await build({
    stdin: { contents: script, resolveDir: folder, loader: "tsx" },
    outfile,
    bundle: true,
    format: "cjs",
    platform: "node",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"development"' },
    logLevel: "error",
    nodePaths: [join(folder, "node_modules")],
    plugins: [aliasPlugin(alias, folder), packagePlugin()],
  });
  return outfile;
}

/**
 * Puts packages in the place of others, with all that is imported from them.
 *
 * @param {Record<string, string>} alias
 * @param {string} folder
 * @returns {import("esbuild").Plugin}
 */
function aliasPlugin(alias, folder) {
  return {
    name: "alias",
    setup(build) {
      for (const [from, to] of Object.entries(alias)) {
        build.onResolve(
          { filter: new RegExp(`^${from}(/|$)`) },
          ({ path, kind, pluginData }) => pluginData ? undefined : build.resolve(to + path.slice(from.length), { resolveDir: folder, kind, ...(!to.startsWith("flagwire") && { pluginData: "alias" }) }),
        );
      }
    },
  };
}

/**
 * `flagwire` and `flagwire/…` by the `exports` of pkg/, without installing it.
 *
 * @returns {import("esbuild").Plugin}
 */
export function packagePlugin() {
  return {
    name: "flagwire",
    setup(build) {
      // Resolved from inside the package, a package's own name is looked up in its exports.
      build.onResolve({ filter: /^flagwire(\/|$)/ }, async ({ path, kind, pluginData }) => pluginData === "flagwire" ? undefined : build.resolve(path, { resolveDir: packageDir, kind, pluginData: "flagwire" }));
    },
  };
}
