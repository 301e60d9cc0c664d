// The package in each kind of worker of a browser: it gets ready there, streams, and sees a change.

import assert from "node:assert/strict";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { build } from "esbuild";
import { packageDir } from "../../scripts/lib/products.mjs";
import { openPage, startBrowser, startExtension } from "../lib/browser.mjs";
import { serveFiles } from "../lib/files.mjs";
import { tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const HTML = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="main.js"></script>';
/** Both are allowed WebAssembly by default; this forbids it. */
const POLICY = { "content-security-policy": "script-src 'self'" };

/** Tells what it hears through `say`. @param {string} entry @param {string} [options] */
const use = (entry, options = "") => `
import { initialize, Event } from "./flagwire/${entry}.js";
function use(baseUrl) {
  const client = initialize("${CLIENT_KEY}", { identifier: "user-42" }, { baseUrl, ${options} });
  client.on(Event.ERROR, ({ message, cause }) => say("error: " + message + " " + cause));
  client.on(Event.CONNECTED, () => say("connected"));
  client.onFlag("theme", (value) => say(value));
  client.ready().then(() => say("ready"));
  const empty = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
  WebAssembly.compile(empty).then(() => say("may compile"), () => say("may not compile"));
}`;
const SERVER = 'const server = new URL(location.href).searchParams.get("server");';

/** @type {Record<string, { page: string, worker: string }>} */
const WORKERS = {
  "a module worker": {
    page: 'new Worker("worker.js" + location.search, { type: "module" }).onmessage = ({ data }) => said.push(data);',
    worker: `${SERVER} const say = (text) => postMessage(text); use(server);`,
  },
  "a shared worker": {
    page: 'const { port } = new SharedWorker("worker.js" + location.search, { type: "module" }); port.onmessage = ({ data }) => said.push(data);',
    worker: `${SERVER} let port; const say = (text) => port.postMessage(text); onconnect = ({ ports }) => { port = ports[0]; use(server); };`,
  },
  "a service worker": {
    page: `${SERVER}
      navigator.serviceWorker.onmessage = ({ data }) => said.push(data);
      navigator.serviceWorker.startMessages();
      await navigator.serviceWorker.register("worker.js", { type: "module" });
      (await navigator.serviceWorker.ready).active.postMessage(server);`,
    // Without waitUntil the browser may end it.
    worker: "let say; onmessage = (event) => { say = (text) => event.source.postMessage(text); event.waitUntil(new Promise(() => {})); use(event.data); };",
  },
};

/** A folder with the package in it. @param {import("../lib/scope.mjs").Scope} t @param {Record<string, string>} files */
function folderOf(t, files) {
  const folder = tempDir(t);
  cpSync(packageDir, join(folder, "flagwire"), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** @param {import("../lib/scope.mjs").Scope} t */
const serverOf = (t) => startServer(t, { flags: "flags:\n  theme: classic\n" });

/**
 * The flag is read, and seen to change.
 *
 * @param {import("../lib/server.mjs").TestServer} server
 * @param {boolean} compiles whether WebAssembly is allowed there
 * @param {(text: string) => Promise<string>} heard what was said, once that is the text or an error
 */
async function assertLive(server, compiles, heard) {
  for (const text of ["classic", "ready", "connected", compiles ? "may compile" : "may not compile"]) assert.equal(await heard(text), text);
  server.editFlags((text) => text.replace("classic", "ocean"));
  assert.equal(await heard("ocean"), "ocean");
}

/**
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string} name
 * @param {string} entry
 * @param {{ headers?: Record<string, string>, classic?: boolean }} [options] `classic` bundles the worker as a script that is no module
 */
async function inWorker(t, name, entry, { headers, classic = false } = {}) {
  const server = await serverOf(t);
  const { page, worker } = WORKERS[name] ?? assert.fail(name);
  const main = classic ? page.replace(', { type: "module" }', "") : page;
  const script = use(entry, classic ? 'wasm: "/flagwire/flagwire.wasm"' : "") + worker;
  const folder = folderOf(t, { "index.html": HTML, "main.js": `window.said = []; ${main}`, "worker.js": script });
  if (classic) {
    const file = join(folder, "worker.js");
    await build({ entryPoints: [file], outfile: file, allowOverwrite: true, bundle: true, format: "iife", logOverride: { "empty-import-meta": "silent" } });
  }
  await live(t, server, folder, headers);
}

/** @param {import("../lib/scope.mjs").Scope} t @param {import("../lib/server.mjs").TestServer} server @param {string} folder @param {Record<string, string>} [headers] */
async function live(t, server, folder, headers) {
  const page = await openPage(t, browser, `${await serveFiles(t, folder, { headers })}/?server=${server.url}`);
  await assertLive(server, headers !== POLICY, async (text) => {
    const found = await page.waitForFunction((text) => window.said?.find((said) => said === text || said.startsWith("error")), text);
    return found.jsonValue();
  });
}

/** @param {import("../lib/scope.mjs").Scope} t @param {string} entry @param {object} manifest what is besides in it */
async function inExtension(t, entry, manifest) {
  const server = await serverOf(t);
  const folder = folderOf(t, {
    "manifest.json": JSON.stringify({ manifest_version: 3, name: "test", version: "1", background: { service_worker: "worker.js", type: "module" }, ...manifest }),
    "worker.js": `${use(entry)} const said = []; let waiting; const say = (text) => (said.push(text), waiting?.()); Object.assign(self, { said, use, next: () => new Promise((resolve) => (waiting = resolve)) });`,
  });
  const worker = await startExtension(t, folder);
  await worker.evaluate((url) => self.use(url), server.url);
  await assertLive(server, "content_security_policy" in manifest, (text) =>
    worker.evaluate(async (text) => {
      for (;;) {
        const found = self.said.find((said) => said === text || said.startsWith("error"));
        if (found) return found;
        await self.next();
      }
    }, text));
}

describe("in Chromium", () => {
  for (const name of Object.keys(WORKERS)) test(name, (t) => inWorker(t, name, "index"));

  test("a service worker that is no module", (t) => inWorker(t, "a service worker", "index", { classic: true }));

  for (const name of ["a module worker", "a shared worker"]) test(`${name} that may not compile WebAssembly`, (t) => inWorker(t, name, "index", { headers: POLICY }));

  // It knows no import(), by which the JavaScript build is got elsewhere.
  test("a service worker that may not compile WebAssembly, with flagwire/javascript", (t) => inWorker(t, "a service worker", "javascript", { headers: POLICY }));

  test("an extension's service worker whose manifest allows WebAssembly", (t) => inExtension(t, "index", { content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'" } }));

  test("an extension's service worker, with flagwire/javascript", (t) => inExtension(t, "javascript", {}));
});
