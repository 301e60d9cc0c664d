// The package's script comes from another origin than the page, as from a CDN.

import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { build } from "esbuild";
import { packageDir } from "../../scripts/lib/products.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { packagePlugin } from "../lib/bundle.mjs";
import { serveClientPage } from "../lib/client-page.mjs";
import { serveFiles } from "../lib/files.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { FLAGS } from "./support.mjs";

const browser = await startBrowser({ after });
const CORS = { "access-control-allow-origin": "*" };

/** A classic script that has the package in it, beside its module, as another origin serves it. @param {import("../lib/scope.mjs").Scope} t @param {Record<string, string>} headers */
async function serveScript(t, headers) {
  const folder = tempDir(t);
  await build({
    stdin: { contents: 'export * from "flagwire";', resolveDir: packageDir },
    outfile: join(folder, "flagwire.js"),
    bundle: true,
    format: "iife",
    globalName: "flagwire",
    plugins: [packagePlugin()],
    logOverride: { "empty-import-meta": "silent" },
  });
  copyFileSync(join(packageDir, "flagwire.wasm"), join(folder, "flagwire.wasm"));
  return (await serveFiles(t, folder, { headers })).replace("127.0.0.1", "localhost");
}

/**
 * A page with a script of another origin: its flags arrive, and a change.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string} script the page's first script
 * @param {(server: string) => string} [policy]
 * @returns {Promise<string[]>} what the page has loaded
 */
async function live(t, script, policy) {
  const server = await startServer(t, { flags: FLAGS });
  const proxy = await startProxy(t, server.url);
  const folder = tempDir(t);
  writeFileSync(join(folder, "index.html"), `<!doctype html><link rel="icon" href="data:,">${script}`);
  writeFileSync(
    join(folder, "main.js"),
    `window.themes = [];
    const client = flagwire.initialize("${CLIENT_KEY}", { identifier: "ada" }, { baseUrl: "${proxy.url}" });
    client.on("error", ({ code, message }) => themes.push(code + " " + message));
    client.onFlag("theme", (value) => themes.push(value));`,
  );
  const headers = policy ? { "content-security-policy": policy(proxy.url) } : undefined;
  const page = await openPage(t, browser, "about:blank");
  /** @type {string[]} */
  const loaded = [];
  page.on("requestfinished", (request) => loaded.push(new URL(request.url()).pathname));
  await page.goto(`${await serveFiles(t, folder, { headers })}/`);
  const told = (/** @type {number} */ count) => page.waitForFunction((count) => /** @type {any} */ (window).themes?.length >= count, count, { timeout: 0 });
  await told(1);
  await proxy.until(() => proxy.streams.size === 1);
  server.editFlags((text) => text.replace("theme: classic", "theme: ocean"));
  await told(2);
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).themes), ["classic", "ocean"]);
  return loaded;
}

const classic = (/** @type {string} */ origin) => `<script src="${origin}/flagwire.js"></script><script src="main.js"></script>`;

test("a module of another origin that allows CORS", async (t) => {
  const origin = (await serveClientPage(t, { headers: CORS })).replace("127.0.0.1", "localhost");
  const loaded = await live(t, `<script type="module">import * as flagwire from "${origin}index.js"; Object.assign(window, { flagwire });</script><script type="module" src="main.js"></script>`);
  assert.ok(loaded.includes("/flagwire.wasm"));
});

test("a classic script of another origin that allows CORS", async (t) => {
  const origin = await serveScript(t, CORS);
  const loaded = await live(t, classic(origin));
  assert.ok(loaded.includes("/flagwire.wasm"));
});

// A script may come from there, but nothing that it fetches; a module script may not come at all.
test("a classic script of another origin that does not allow CORS runs as JavaScript", async (t) => {
  const origin = await serveScript(t, {});
  const loaded = await live(t, classic(origin));
  assert.ok(!loaded.includes("/flagwire.wasm"));
});

test("a classic script of another origin, where the page's policy allows its module", async (t) => {
  const origin = await serveScript(t, CORS);
  const loaded = await live(t, classic(origin), (server) => `default-src 'none'; script-src 'self' ${origin} 'wasm-unsafe-eval'; connect-src ${server} ${origin}; img-src data:`);
  assert.ok(loaded.includes("/flagwire.wasm"));
});

test("a classic script of another origin, where the page's policy forbids to fetch its module, runs as JavaScript", async (t) => {
  const origin = await serveScript(t, CORS);
  const loaded = await live(t, classic(origin), (server) => `default-src 'none'; script-src 'self' ${origin} 'wasm-unsafe-eval'; connect-src ${server}; img-src data:`);
  assert.ok(!loaded.includes("/flagwire.wasm"));
});
