// The package as users get it: packed, installed into small projects, built by each bundler and run.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "../../scripts/lib/run.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { filesOf, serveFiles } from "../lib/files.mjs";
import { installPackage } from "../lib/install.mjs";
import { atEnd, tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const folder = tempDir({ after });
const tools = join(import.meta.dirname, "node_modules");

/** Reads a flag, and says when it changes. */
const USE = `
const client = initialize("${CLIENT_KEY}", { identifier: "user-42" }, { baseUrl });
client.on(Event.CONNECTED, () => say("connected"));
client.onFlag("theme", (value) => say(value));
`;
const PAGE_SCRIPT = `
import { initialize, Event } from "flagwire";
const baseUrl = new URL(location.href).searchParams.get("server");
window.said = [];
const say = (text) => said.push(text);
${USE}
`;
const HTML = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>';

/** @type {string} */
let tarball;

before(async () => {
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  tarball = await installPackage(folder);
});

/** A project inside the folder where the package is installed. @param {string} name @param {Record<string, string>} files */
function project(name, files) {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

/** One module, and nothing that waits at the top. @param {string} output */
function assertOutput(output) {
  const files = filesOf(output);
  assert.equal(files.filter((file) => file.endsWith(".wasm")).length, 1, files.join("\n"));
  for (const file of files.filter((file) => file.endsWith(".js"))) assert.doesNotMatch(readFileSync(file, "utf8"), /^(?:const \w+ ?= ?)?await /m, file);
}

/** The page reads the flag and sees it change. @param {import("../lib/scope.mjs").Scope} t @param {string} url */
async function assertWorks(t, url) {
  const server = await startServer(t, { flags: "flags:\n  theme: classic\n" });
  const page = await openPage(t, browser, `${url}/?server=${server.url}`);
  /** @param {string} text */
  const says = (text) => page.waitForFunction((text) => window.said?.includes(text), text);
  await says("classic");
  await says("connected");
  server.editFlags((text) => text.replace("classic", "ocean"));
  await says("ocean");
}

describe("in Chromium", () => {
  test("a plain page with an import map", async (t) => {
    const map = JSON.stringify({ imports: { flagwire: "/node_modules/flagwire/index.js" } });
    project("plain", { "index.html": HTML.replace("<script", `<script type="importmap">${map}</script><script`), "main.js": PAGE_SCRIPT });
    await assertWorks(t, `${await serveFiles(t, folder)}/plain`);
  });

  test("Vite, built", async (t) => {
    const { build } = await import("vite");
    const root = project("vite", { "index.html": HTML, "main.js": PAGE_SCRIPT });
    await build({ root, configFile: false, logLevel: "error" });
    assertOutput(join(root, "dist"));
    await assertWorks(t, await serveFiles(t, join(root, "dist")));
  });

  test("Vite, in development", async (t) => {
    const { createServer } = await import("vite");
    const root = project("vite-dev", { "index.html": HTML, "main.js": PAGE_SCRIPT });
    const server = await createServer({ root, configFile: false, logLevel: "error", cacheDir: join(root, ".cache"), server: { port: 0, host: "127.0.0.1", hmr: false, fs: { strict: false } } });
    atEnd(t, () => server.close());
    await server.listen();
    await assertWorks(t, server.resolvedUrls?.local[0]?.replace(/\/$/, "") ?? "");
  });

  test("webpack", async (t) => {
    const { default: webpack } = await import("webpack");
    const root = project("webpack", { "main.js": PAGE_SCRIPT });
    const output = join(root, "dist");
    const compiler = webpack({ mode: "production", context: root, entry: "./main.js", output: { path: output, filename: "main.js" } });
    const stats = await new Promise((resolve, reject) => compiler.run((error, stats) => (error ? reject(error) : resolve(stats))));
    await new Promise((resolve) => compiler.close(resolve));
    assert.equal(stats.hasErrors() || stats.hasWarnings(), false, stats.toString());
    assertOutput(output);
    writeFileSync(join(output, "index.html"), HTML);
    await assertWorks(t, await serveFiles(t, output));
  });

  test("esbuild, which leaves the module to be copied beside", async (t) => {
    const { build } = await import("esbuild");
    const root = project("esbuild", { "main.js": PAGE_SCRIPT });
    const output = join(root, "dist");
    await build({ entryPoints: [join(root, "main.js")], bundle: true, format: "esm", outdir: output, minify: true, logLevel: "warning" });
    writeFileSync(join(output, "index.html"), HTML);
    copyFileSync(join(folder, "node_modules/flagwire/flagwire.wasm"), join(output, "flagwire.wasm"));
    assertOutput(output);
    await assertWorks(t, await serveFiles(t, output));
  });

  test("Rollup, with the plugin for import.meta.url", async (t) => {
    const { rollup } = await import("rollup");
    const { nodeResolve } = await import("@rollup/plugin-node-resolve");
    const { importMetaAssets } = await import("@web/rollup-plugin-import-meta-assets");
    const root = project("rollup", { "main.js": PAGE_SCRIPT });
    const output = join(root, "dist");
    const bundle = await rollup({ input: join(root, "main.js"), plugins: [nodeResolve({ browser: true }), importMetaAssets()] });
    await bundle.write({ dir: output, format: "es" });
    await bundle.close();
    writeFileSync(join(output, "index.html"), HTML);
    assertOutput(output);
    await assertWorks(t, await serveFiles(t, output));
  });

  test("a module worker", async (t) => {
    const worker = `import { initialize, Event } from "/node_modules/flagwire/index.js"; const baseUrl = new URL(location.href).searchParams.get("server"); const say = (text) => postMessage(text); ${USE}`;
    const main = 'window.said = []; new Worker("worker.js" + location.search, { type: "module" }).onmessage = ({ data }) => said.push(data);';
    project("worker", { "index.html": HTML, "main.js": main, "worker.js": worker });
    await assertWorks(t, `${await serveFiles(t, folder)}/worker`);
  });
});

describe("in Node", () => {
  for (
    const [name, load] of [
      ["ESM", 'import { initialize, Event } from "flagwire";'],
      ["CJS", 'const { initialize, Event } = require("flagwire");'],
    ]
  ) {
    test(`${name}: reads, streams and ends by itself`, async (t) => {
      const server = await startServer(t, { flags: "flags:\n  theme: classic\n" });
      const file = name === "ESM" ? "main.mjs" : "main.cjs";
      const script = `${load}\nconst baseUrl = process.argv[2];\nconst say = (text) => { console.log(text); if (text === "ocean") client.close(); };\n${USE}`;
      const root = project(`node-${name}`, { [file]: script });
      /** @type {string[]} */
      const lines = [];
      const { code, output } = await run(process.execPath, [join(root, file), server.url], {
        cwd: root,
        onLine: (line) => {
          lines.push(line);
          // The list and the stream were asked for together.
          if (lines.length === 2) server.editFlags((text) => text.replace("classic", "ocean"));
        },
      });
      assert.equal(code, 0, output);
      assert.deepEqual([lines.slice(0, 2).sort(), lines.slice(2)], [["classic", "connected"], ["ocean"]]);
    });
  }

  test("the entries import each other's client, and need what they need alone", async () => {
    const root = project("entries", { "main.mjs": 'import * as main from "flagwire"; import * as harness from "flagwire/harness"; console.log(typeof main.initialize, typeof harness.initialize, import.meta.resolve("flagwire"));' });
    const { code, output } = await run(process.execPath, [join(root, "main.mjs")], { cwd: root });
    assert.equal(code, 0, output);
    assert.match(output, /^function function .*\/flagwire\/node\.js$/m);
  });
});

test("publint has nothing to say", async () => {
  const { publint } = await import("publint");
  const { messages } = await publint({ pkgDir: join(folder, "node_modules/flagwire"), strict: true });
  assert.deepEqual(messages, []);
});

test("the types are those of what is run, in each way of looking for them (attw)", async () => {
  const args = [join(tools, "@arethetypeswrong/cli/dist/index.js"), tarball, "--exclude-entrypoints", "flagwire.wasm", "--profile", "strict", "--format", "ascii", "--no-color"];
  const { code, output } = await run(process.execPath, args);
  assert.equal(code, 0, output);
});

test("one module is for pages and one for the command, which nothing else loads", () => {
  const files = filesOf(join(folder, "node_modules/flagwire"));
  assert.deepEqual(files.filter((file) => file.endsWith(".wasm")).map((file) => basename(file)).sort(), ["cli.wasm", "flagwire.wasm"]);
  const scripts = files.filter((file) => /\.c?js$/.test(file) && readFileSync(file, "utf8").includes("cli.wasm"));
  assert.deepEqual(scripts.map((file) => basename(file)), ["cli.js"]);
});

test("source maps name what is nowhere, without its text, so that no tool looks for it", () => {
  const package_ = join(folder, "node_modules/flagwire");
  const maps = filesOf(package_).filter((file) => file.endsWith(".map"));
  assert.ok(maps.length > 10);
  for (const file of maps) {
    const { sources, sourcesContent } = JSON.parse(readFileSync(file, "utf8"));
    for (const source of sources) assert.match(source, /^flagwire:\/\/\/(?:src|target)\//, file);
    assert.deepEqual(sourcesContent, sources.map(() => ""), file);
  }
});
