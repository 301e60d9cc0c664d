// Whatever keeps the module from running, the same core runs as JavaScript, and it is said once.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { build } from "esbuild";
import { packageDir } from "../../scripts/lib/products.mjs";
import { names, rename } from "../../scripts/lib/wasm-names.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { packagePlugin } from "../lib/bundle.mjs";
import { serveClientPage, startClient, told, untilServed, untilTold } from "../lib/client-page.mjs";
import { serveFiles } from "../lib/files.mjs";
import { tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { edit, FLAGS } from "./support.mjs";

const browser = await startBrowser({ after });
const wasm = readFileSync(join(packageDir, "flagwire.wasm"));

/** @typedef {(route: import("playwright-core").Route) => Promise<void>} Answer */

/** @param {Uint8Array | string} body @param {string} [contentType] @returns {Answer} */
const gives = (body, contentType = "application/wasm") => (route) => route.fulfill({ body: typeof body === "string" ? body : Buffer.from(body), contentType });

/** @type {Answer} */
const gone = (route) => route.fulfill({ status: 404 });

/** @type {Record<string, Answer>} */
const FILES = {
  "gone after a deployment": gone,
  "answered with a page": gives("<!doctype html><title>shop</title>", "text/html"),
  "a page that is called a module": gives("<!doctype html><title>shop</title>"),
  "refused on the way": (route) => route.abort(),
  "cut": gives(wasm.subarray(0, 9_000)),
  "empty": gives(new Uint8Array()),
  "damaged": gives(wasm.map((byte, index) => (index > 4_000 && index < 4_100 ? 255 : byte))),
  "a module of another kind": gives(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)),
  "another version's": gives(rename(wasm, ({ module, name }) => (module === undefined ? { name } : { module: "wfff", name }))),
};

/** What else keeps it from running: run in the page before anything else. @type {Record<string, () => void>} */
const PAGES = {
  "a browser without WebAssembly": () => void delete (/** @type {any} */ (globalThis).WebAssembly),
  "a browser that refuses instances, as WebKit does by policy": () => {
    const refuse = () => {
      throw new WebAssembly.CompileError("refused");
    };
    /** @type {any} */ (WebAssembly).instantiate = async () => refuse();
    /** @type {any} */ (WebAssembly).Instance = refuse;
  },
  "a browser that refuses only what is asynchronous": () => {
    /** @type {any} */ (WebAssembly).instantiate = () => Promise.reject(new WebAssembly.LinkError("refused"));
  },
};

/**
 * A page before it has a client, what it loads, and what it says in its console.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {{ file?: Answer, script?: () => void }} [options]
 */
async function prepare(t, { file, script } = {}) {
  const server = await startServer(t, { flags: FLAGS });
  const url = await serveClientPage(t);
  const page = await openPage(t, browser, "about:blank");
  /** @type {string[]} */
  const loaded = [];
  /** @type {string[]} */
  const warnings = [];
  page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  page.on("console", (message) => message.text().includes("Flagwire: ") && warnings.push(message.text()));
  if (file) await page.route("**/flagwire.wasm", file);
  if (script) await page.addInitScript(script);
  await page.goto(url);
  return { server, page, loaded, warnings, url };
}

/**
 * Two clients are live, on the JavaScript build, and one warning says so.
 *
 * @param {Awaited<ReturnType<typeof prepare>>} prepared
 */
async function assertLiveAsJavaScript({ server, page, loaded, warnings }) {
  await startClient(page, server.url);
  await startClient(page, server.url, { name: "other", target: { identifier: "grace" } });
  await edit(server, (text) => text.replace("dark: false", "dark: true"));
  await untilServed(page, "dark", true);
  await untilServed(page, "dark", true, "other");
  assert.ok(loaded.includes("/fallback.js"));
  assert.deepEqual((await told(page)).events.filter(({ event }) => event === "error"), []);
  assert.equal(warnings.length, 1, warnings.join("\n"));
  assert.match(warnings[0] ?? "", /^Flagwire: javascript-build, /);
}

for (const [what, file] of Object.entries(FILES)) {
  test(`the file is ${what}`, async (t) => {
    const prepared = await prepare(t, { file });
    await assertLiveAsJavaScript(prepared);
    assert.ok(prepared.warnings[0]?.includes(`${prepared.url}flagwire.wasm`), prepared.warnings[0]);
  });
}

for (const [what, script] of Object.entries(PAGES)) test(what, async (t) => assertLiveAsJavaScript(await prepare(t, { script })));

test("a file that never comes is given up", async (t) => {
  const prepared = await prepare(t, {
    file: () => new Promise(() => {}),
    script: () => {
      const { timeout } = AbortSignal;
      AbortSignal.timeout = (delayMs) => timeout.call(AbortSignal, delayMs / 1000);
    },
  });
  await assertLiveAsJavaScript(prepared);
});

test("a browser that makes no large instance at once on the main thread, as Chromium before 114, runs the module", async (t) => {
  const { server, page, loaded, warnings } = await prepare(t, {
    script: () => {
      const { Module, Instance } = WebAssembly;
      const large = new WeakSet();
      const refuse = () => {
        throw new RangeError("WebAssembly.Instance is disallowed on the main thread, if the buffer size is larger than 4KB");
      };
      /** @type {any} */ (WebAssembly).Module = class extends Module {
        /** @param {ArrayBuffer} bytes */
        constructor(bytes) {
          if (bytes.byteLength > 4096) refuse();
          super(bytes);
        }
      };
      const { compile, compileStreaming } = WebAssembly;
      WebAssembly.compile = async (bytes) => (large.add(await compile(bytes)), compile(bytes));
      WebAssembly.compileStreaming = async (source) => {
        const compiled = await compileStreaming(source);
        large.add(compiled);
        return compiled;
      };
      /** @type {any} */ (WebAssembly).Instance = class extends Instance {
        /** @param {WebAssembly.Module} module @param {WebAssembly.Imports} [imports] */
        constructor(module, imports) {
          if (large.has(module)) refuse();
          super(module, imports);
        }
      };
    },
  });
  await startClient(page, server.url);
  await untilServed(page, "size", 10);
  assert.ok(!loaded.includes("/fallback.js"));
  assert.deepEqual(warnings, []);
});

test("where both builds are gone it says so once, names both files, and goes on trying", async (t) => {
  const { server, page, warnings, url } = await prepare(t, { file: gone });
  await page.route("**/fallback.js", gone);
  await startClient(page, server.url, { wait: false });
  await untilTold(page, "error");
  await page.waitForRequest("**/flagwire.wasm");
  await page.unroute("**/flagwire.wasm");
  await untilServed(page, "size", 10);
  const { events } = await told(page);
  assert.deepEqual(events.filter(({ event }) => event === "error").map(({ code, final }) => [code, final]), [["load", false]]);
  assert.equal(warnings.length, 1, warnings.join("\n"));
  for (const file of ["flagwire.wasm", "fallback.js"]) assert.ok(warnings[0]?.includes(url + file), warnings[0]);
});

test("a module that traps is started again without another download", async (t) => {
  const { server, page, loaded } = await prepare(t);
  await startClient(page, server.url);
  await page.evaluate(() => {
    const { set } = Map.prototype;
    Map.prototype.set = function(key, value) {
      if (key !== "theme") return set.call(this, key, value);
      Map.prototype.set = set;
      throw new Error("sabotage");
    };
  });
  await edit(server, (text) => text.replace("classic", "ocean"));
  await untilServed(page, "theme", "ocean");
  assert.equal(loaded.filter((path) => path === "/flagwire.wasm").length, 1);
});

for (
  const [how, body, place] of [
    ["finds the module beside itself", "", "/scripts/flagwire.wasm"],
    ["is not misled by an element that is called currentScript", '<img name="currentScript" src="/elsewhere/picture.png" alt="">', "/flagwire.wasm"],
  ]
) {
  test(`a classic script ${how}`, async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const folder = tempDir(t);
    mkdirSync(join(folder, "scripts"));
    const use = `window.client = initialize("${CLIENT_KEY}", { identifier: "ada" }, { baseUrl: "${server.url}" });`;
    await build({
      stdin: { contents: `import { initialize } from "flagwire";\n${use}`, resolveDir: folder },
      outfile: join(folder, "scripts", "page.js"),
      bundle: true,
      format: "iife",
      // It warns of `import.meta`, which is empty there.
      logLevel: "error",
      plugins: [packagePlugin()],
    });
    for (const path of ["scripts/flagwire.wasm", "flagwire.wasm"]) copyFileSync(join(packageDir, "flagwire.wasm"), join(folder, path));
    writeFileSync(join(folder, "index.html"), `<!doctype html><title>test</title><link rel="icon" href="data:,"><body>${body}<script src="scripts/page.js"></script>`);
    const page = await openPage(t, browser, "about:blank");
    /** @type {string[]} */
    const loaded = [];
    page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
    await page.goto(await serveFiles(t, folder));
    await page.waitForFunction(() => /** @type {any} */ (window).client.variation("size", 0) === 10);
    assert.deepEqual(loaded.filter((path) => path.endsWith(".wasm")), [place]);
  });
}

test("the module names what it needs in one way, which another version does not have", () => {
  const modules = new Set(names(wasm).flatMap(({ module }) => module ?? []));
  assert.equal(modules.size, 1);
  assert.match([...modules].join(), /^w[\da-f]{3}$/);
});
