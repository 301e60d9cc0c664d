// The example of a front end in Rust, in Chromium against flagwire-server.

import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { root, wasmTargetDir } from "../../scripts/lib/paths.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { quietStep } from "../../scripts/lib/steps.mjs";
import { bind } from "../../scripts/lib/wasm-module.mjs";
import { wasmToolchain } from "../../scripts/lib/wasm.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { serveFiles } from "../lib/files.mjs";
import { tempDir } from "../lib/scope.mjs";
import { startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });

/** Builds the example and serves it. @param {import("../lib/scope.mjs").Scope} t */
async function serveExample(t) {
  const { cargo, args, env } = await wasmToolchain({ flavour: "test" });
  const { code, output } = await run(cargo, ["build", "-p", "flagwire", "--example", "rust-front-end", "--target", "wasm32-unknown-unknown", ...args], { cwd: root, env });
  assert.equal(code, 0, output);
  // A warning of the crate's or the example's own.
  assert.doesNotMatch(output, /^warning: .*\n +--> (src|examples)\//m);
  const folder = tempDir(t);
  await bind(join(wasmTargetDir, "wasm32-unknown-unknown", "debug", "examples", "rust-front-end.wasm"), folder, quietStep("bindings"), { as: "rust-front-end" });
  copyFileSync(join(root, "examples", "rust-front-end", "index.html"), join(folder, "index.html"));
  return serveFiles(t, folder);
}

test("the page follows its flags, and its visitor", async (t) => {
  const server = await startServer(t);
  const url = await serveExample(t);
  const page = await openPage(t, browser, `${url}/?server=${encodeURIComponent(server.url)}`);
  const until = (/** @type {string} */ selector, /** @type {string | RegExp} */ text) => page.locator(selector, { hasText: text }).waitFor({ timeout: 0 });

  await until("#state", /^Ready$/);
  await until("#size", "8 coffees");
  await until("#banner.warm", "Autumn sale");
  await until("#shipping", "Shipping: 4.90");

  server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true").replace("default: classic", "default: ocean"));
  await page.locator("body.dark.ocean").waitFor({ timeout: 0 });
  await until("#changes li", 'theme is now "ocean"');

  await page.selectOption("#visitor", "maya");
  await until("#shipping", "Free shipping");
  await until("#changes li", "free-shipping is now true");
});
