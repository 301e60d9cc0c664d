// The fixture of `flagwire/testing/playwright`, run by Playwright's own runner in the browser that is installed: the guide's test, tests beside
// each other, and the guide's test once more with a real server.

import assert from "node:assert/strict";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { chromium } from "../../scripts/setup.mjs";
import { ARGS } from "../lib/browser.mjs";
import { serveFiles } from "../lib/files.mjs";
import { installPackage } from "../lib/install.mjs";
import { writeFiles } from "../lib/markdown.mjs";
import { startServer } from "../lib/server.mjs";

const GUIDE = "docs/guides/testing.md";
const folder = mkdtempSync(join(import.meta.dirname, "project-"));
after(() => rmSync(folder, { recursive: true, force: true }));

before(async () => {
  cpSync(join(import.meta.dirname, "projects", "playwright"), folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  assert.deepEqual(writeFiles(GUIDE, "Playwright", folder), ["playwright.config.ts", "tests/banner.spec.ts"]);
  await installPackage(folder);
});

/**
 * Serves the page under test.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string} baseUrl of its client
 */
async function shop(t, baseUrl) {
  const served = mkdtempSync(join(folder, "served-"));
  mkdirSync(join(served, "flagwire"));
  for (const file of ["development.js", "flagwire.wasm"]) copyFileSync(join(packageDir, file), join(served, "flagwire", file));
  copyFileSync(join(folder, "index.html"), join(served, "index.html"));
  writeFileSync(join(served, "base.js"), `export const baseUrl = ${JSON.stringify(baseUrl)};\n`);
  return serveFiles(t, served);
}

/** Runs Playwright to its end. @param {string[]} files @param {NodeJS.ProcessEnv} env */
async function passes(files, env) {
  const { browser = "" } = await chromium({ driver: false });
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
  const all = { ...rest, CI: "1", NO_COLOR: "1", FORCE_COLOR: "0", BROWSER_PATH: browser, BROWSER_ARGS: ARGS.filter((arg) => !arg.startsWith("--headless")).join(" "), ...env };
  const cli = join(import.meta.dirname, "node_modules", "@playwright", "test", "cli.js");
  const { code, output } = await run(process.execPath, [cli, "test", "--config", "ci.config.ts", "--reporter", "list", ...files], { cwd: folder, env: all });
  assert.equal(code, 0, output);
  return output;
}

test("the guide's files compile, and an unknown flag does not where the project has types", async () => {
  const compilerOptions = { target: "es2023", lib: ["es2023", "dom"], module: "esnext", moduleResolution: "bundler", types: ["node"], strict: true, noEmit: true, skipLibCheck: true };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["**/*.ts"] }));
  const tsc = () => run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder, "--pretty", "false"], { cwd: folder });
  const good = await tsc();
  assert.equal(good.code, 0, good.output);
  writeFileSync(join(folder, "flags.d.ts"), 'export {};\ndeclare module "flagwire" { interface Flags { "show-banner": boolean } }\n');
  const bad = await tsc();
  // The test that sets a flag by a wrong name, to see it refused.
  assert.match(bad.output.trim(), /^tests\/worker\.spec\.ts\(\d+,\d+\): error TS.*show-baner[^\n]*$/);
  rmSync(join(folder, "flags.d.ts"));
});

test("pages follow the flags of their test alone, over https, http and without routes", async (t) => {
  const output = await passes([], { SHOP_URL: await shop(t, "https://flags.example.com/api/1.0") });
  assert.match(output, /7 passed/);
});

test("with FLAGWIRE_URL the same test sets overrides of its page's target, and ends them", async (t) => {
  const flags = "flags:\n  show-banner: false\n";
  const server = await startServer(t, { flags });
  const output = await passes(["banner.spec.ts"], { SHOP_URL: await shop(t, server.url), FLAGWIRE_URL: server.url });
  assert.match(output, /1 passed/);
  assert.ok(server.requests.some(({ method, path }) => method === "POST" && path === "/admin/flags/show-banner"));
  assert.equal(readFileSync(server.flagsFile, "utf8"), flags, "nothing is left of the test");
});
