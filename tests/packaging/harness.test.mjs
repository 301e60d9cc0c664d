// Code for Harness's SDKs that stays as it is: the guide's aliases and overrides put this package in their place.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { npm } from "../../scripts/lib/npm.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { quietStep } from "../../scripts/lib/steps.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { serveFiles } from "../lib/files.mjs";
import { installPackage } from "../lib/install.mjs";
import { blocksOf } from "../lib/markdown.mjs";
import { tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const GUIDE = "docs/guides/harness.md";
const SDK = "@harnessio/ff-javascript-client-sdk";
const REACT = "@harnessio/ff-react-client-sdk";
const blocks = blocksOf(GUIDE);
const tools = join(import.meta.dirname, "node_modules");
const browser = await startBrowser({ after });
const folder = tempDir({ after });
/** @type {string} */
let tarball;

const PAGE = `
import { createElement, version } from "react";
import { createRoot } from "react-dom/client";
import { initialize, Event } from "${SDK}";
import { FFContextProvider, useFeatureFlag } from "${REACT}";
import { Event as Again } from "${REACT}";

const baseUrl = new URL(location.href).searchParams.get("server");
const options = { baseUrl, eventUrl: baseUrl };
const target = { identifier: "user-42" };
const client = initialize("${CLIENT_KEY}", target, options);
client.on(Event.READY, (flags) => (document.title = flags.theme));
const Theme = () => createElement("p", null, useFeatureFlag("theme", "none"), " ", String(Event === Again));
createRoot(document.body.appendChild(document.createElement("div"))).render(createElement(FFContextProvider, { apiKey: "${CLIENT_KEY}", target, options }, createElement(Theme)));
`;
const HTML = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body><script type="module" src="./main.js"></script>';

before(async () => {
  write(".", { "package.json": '{ "private": true, "type": "module" }' });
  tarball = await installPackage(folder);
});

/** Writes files into a folder below the one where the package is installed. @param {string} name @param {Record<string, string>} files */
function write(name, files) {
  const path = join(folder, name);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    writeFileSync(join(path, file), text);
  }
  return path;
}

/** A file that the guide shows, without the comment that names it. @param {string} path */
function shown(path) {
  const block = blocks.find((one) => one.path === path);
  assert.ok(block, `${GUIDE} does not show ${path}`);
  return block.text.slice(block.text.indexOf("\n") + 1);
}

/** The page reads its flags by both. @param {import("../lib/scope.mjs").Scope} t @param {string} output */
async function assertWorks(t, output) {
  const server = await startServer(t, { flags: "flags:\n  theme: classic\n" });
  const page = await openPage(t, browser, `${await serveFiles(t, output)}/?server=${server.url}`);
  await page.getByText("classic true").waitFor();
  await page.waitForFunction(() => document.title === "classic");
}

describe("aliases of", () => {
  test("Vite", async (t) => {
    const { build } = await import("vite");
    const root = write("vite", { "index.html": HTML, "main.js": PAGE });
    // Vite's own helper gives back what it gets.
    const text = shown("vite.config.js").replace(/^import .*\n/, "const defineConfig = (config) => config;\n");
    write("vite", { "vite.config.mjs": text });
    const { default: config } = await import(pathToFileURL(join(root, "vite.config.mjs")).href);
    const alias = [...config.resolve.alias, ...["react", "react-dom"].map((name) => ({ find: name, replacement: join(tools, name) }))];
    await build({ root, configFile: false, resolve: { alias }, logLevel: "error" });
    await assertWorks(t, join(root, "dist"));
  });

  test("webpack", async (t) => {
    const { default: webpack } = await import("webpack");
    const root = write("webpack", { "main.js": PAGE, "webpack.config.mjs": shown("webpack.config.js") });
    const { default: config } = await import(pathToFileURL(join(root, "webpack.config.mjs")).href);
    const output = join(root, "dist");
    const compiler = webpack({
      ...config,
      mode: "production",
      optimization: { minimize: false },
      performance: { hints: false },
      context: root,
      entry: "./main.js",
      output: { path: output, filename: "main.js" },
      resolve: { ...config.resolve, modules: ["node_modules", tools] },
    });
    const stats = await new Promise((resolve, reject) => compiler.run((error, result) => (error ? reject(error) : resolve(result))));
    await new Promise((resolve) => compiler.close(resolve));
    assert.equal(stats.hasErrors() || stats.hasWarnings(), false, stats.toString());
    writeFileSync(join(output, "index.html"), HTML);
    await assertWorks(t, output);
  });

  test("esbuild", async (t) => {
    const { build } = await import("esbuild");
    const root = write("esbuild", { "main.js": PAGE });
    const alias = Object.fromEntries([...readFileSync(join(import.meta.dirname, "../..", GUIDE), "utf8").matchAll(/--alias:([^=]+)=([^`]+)`/g)].map(([, from, to]) => [from, to]));
    assert.deepEqual(Object.keys(alias), [SDK, REACT]);
    // Aliases are looked up from where esbuild is called.
    await build({ absWorkingDir: root, entryPoints: ["main.js"], bundle: true, format: "esm", outdir: join(root, "dist"), alias, nodePaths: [tools], logLevel: "warning" });
    writeFileSync(join(root, "dist", "index.html"), HTML);
    copyFileSync(join(folder, "node_modules/flagwire/flagwire.wasm"), join(root, "dist", "flagwire.wasm"));
    await assertWorks(t, join(root, "dist"));
  });
});

describe("overrides of", () => {
  /** @type {[manager: string, install: (path: string) => Promise<unknown>][]} */
  const managers = [
    ["npm", (path) => npm(["install", "--offline"], path, quietStep("npm"))],
    ["pnpm", (path) => node(path, join(tools, "pnpm/bin/pnpm.cjs"), "install", "--offline", "--ignore-workspace", "--store-dir", join(path, ".store"))],
    ["Yarn", (path) => node(path, join(tools, "yarn/bin/yarn.js"), "install", "--offline", "--cache-folder", join(path, ".cache"))],
  ];
  for (const [manager, install] of managers) {
    test(`${manager} replace Harness's SDK below a dependency, too`, async () => {
      const path = write(`overrides-${manager}`, {
        "dependent/package.json": JSON.stringify({ name: "dependent", version: "1.0.0", main: "index.js", dependencies: { [SDK]: "^1.32.0" } }),
        "dependent/index.js": `exports.sdk = require("${SDK}"); exports.path = require.resolve("${SDK}");`,
        "main.mjs": `
          import * as sdk from "${SDK}";
          import * as flagwire from "flagwire/harness";
          import { createRequire } from "node:module";
          const require = createRequire(import.meta.url);
          const { sdk: below } = require("dependent");
          console.log(Object.keys(sdk).sort().join(), sdk.initialize === flagwire.initialize, below.initialize === require("flagwire/harness").initialize);
        `,
      });
      for (const { path: file } of blocks) if (file?.startsWith("shims/")) write(`overrides-${manager}`, { [file]: shown(file) });
      for (const file of ["index.d.ts", "index.d.cts"]) write(`overrides-${manager}`, { [`shims/ff-javascript-client-sdk/${file}`]: shown("shims/ff-javascript-client-sdk/index.js") });
      const manifest = JSON.parse(blocks.find(({ text }) => text.includes('"overrides"'))?.text ?? "");
      // The dependent comes as from a registry: packed.
      await npm(["pack", "--pack-destination", path], join(path, "dependent"), quietStep("the dependent"));
      const dependencies = { ...manifest.dependencies, dependent: "file:./dependent-1.0.0.tgz", flagwire: `file:${tarball}` };
      write(`overrides-${manager}`, { "package.json": JSON.stringify({ private: true, ...manifest, dependencies }) });
      await install(path);
      assert.equal(await node(path, join(path, "main.mjs")), "Event,initialize true true");
    });
  }
});

/** @param {string} cwd @param {...string} args @returns {Promise<string>} what it prints */
async function node(cwd, ...args) {
  const { code, output } = await run(process.execPath, args, { cwd, env: { ...process.env, CI: "1" } });
  assert.equal(code, 0, output);
  return output.trim();
}
