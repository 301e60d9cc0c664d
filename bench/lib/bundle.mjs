// Pages for the measurements: one script each, bundled and minified as for production, and a server that may be slow.

import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { build } from "esbuild";
import { root } from "../../scripts/lib/paths.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";
import { atEnd, tempDir } from "../../tests/lib/scope.mjs";

const bench = join(root, "bench");

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

/**
 * Bundles scripts, given by name, into a folder of its own: `{ a: "import …" }` makes `a.js`, and `a.html` that holds `body`.
 *
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {Record<string, string>} scripts
 * @returns {Promise<string>} the folder
 */
export async function bundle(scope, scripts) {
  const folder = tempDir(scope);
  mkdirSync(folder, { recursive: true });
  for (const [name, contents] of Object.entries(scripts)) {
    await build({
      stdin: { contents, resolveDir: bench, sourcefile: `${name}.mjs` },
      outdir: folder,
      entryNames: name,
      bundle: true,
      // As applications are built: what is imported only when it is needed is a file of its own.
      splitting: true,
      format: "esm",
      target: "es2022",
      minify: true,
      define: { "process.env.NODE_ENV": '"production"' },
      plugins: [packagePlugin()],
      logLevel: "error",
    });
  }
  const wasm = join(packageDir, "flagwire.wasm");
  if (existsSync(wasm)) copyFileSync(wasm, join(folder, "flagwire.wasm"));
  writeFileSync(join(folder, "index.html"), '<!doctype html><meta charset="utf-8"><title>bench</title><link rel="icon" href="data:,">');
  return folder;
}

/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".wasm": "application/wasm", ".json": "application/json" };

/**
 * Serves a folder's files out of memory.
 *
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {string} folder
 * @param {{ extra?: (request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => boolean }} [options]
 *   `extra` may answer a request itself, and says whether it did
 * @returns {Promise<string>} the URL, without a slash at its end
 */
export async function serve(scope, folder, { extra } = {}) {
  /** @type {Map<string, Buffer>} */
  const files = new Map();
  const server = createServer((request, response) => {
    if (extra?.(request, response)) return;
    const name = new URL(request.url ?? "/", "http://localhost").pathname.slice(1) || "index.html";
    const path = join(folder, name);
    if (name.includes("/") || !existsSync(path)) return void response.writeHead(404).end();
    let body = files.get(name);
    if (!body) files.set(name, body = readFileSync(path));
    response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream", "content-length": body.length, "cache-control": "no-store" });
    response.end(body);
  });
  // Node ends an idle connection after five seconds, and a client that was busy so long may just be using it again: its request would fail.
  server.keepAliveTimeout = 0;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  atEnd(scope, () => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the page server has no port");
  return `http://127.0.0.1:${address.port}`;
}
