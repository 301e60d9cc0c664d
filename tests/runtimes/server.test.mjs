// `flagwire/server` in Node, and its text in a page of Chromium.

import assert from "node:assert/strict";
import { cpSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, test } from "node:test";
import { packageDir } from "../../scripts/lib/products.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { serveFiles } from "../lib/files.mjs";
import { tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const { dehydrate, fetchEvaluations } = await import(pathToFileURL(join(packageDir, "server.js")).href);
const TARGET = { identifier: "user-42", attributes: { plan: "gold" } };
const NASTY = "</script><script>window.broken = 1</script><!--<script>]]>&amp;\u2028\u2029'\"\\`${1}";
const FLAGS = `flags:
  nasty: { variations: { it: ${JSON.stringify(NASTY)} }, default: it }
  __proto__: { variations: { on: "</script>" }, default: on }
  free-shipping: { default: false, rules: [{ when: { plan: gold }, serve: true }] }
`;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

test("has the evaluations of the request's target, with two requests and nothing left open", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const evaluations = await fetchEvaluations(CLIENT_KEY, TARGET, { baseUrl: server.url });
  assert.deepEqual(evaluations.map((/** @type {any} */ { flag, value }) => [flag, value]), [
    ["__proto__", "</script>"],
    ["free-shipping", "true"],
    ["nasty", NASTY],
  ]);
  // It is logged when it has been answered.
  await server.request(({ method }) => method === "GET");
  assert.deepEqual(server.requests.map(({ method }) => method), ["POST", "GET"]);
});

test("says why there are none", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  await assert.rejects(fetchEvaluations("no-such-key", TARGET, { baseUrl: server.url, logger: quiet }), { name: "FlagwireError", code: "unauthorized", final: true });
  await server.stop();
  const late = await fetchEvaluations(CLIENT_KEY, TARGET, { baseUrl: server.url, timeoutMs: 1000, logger: quiet }).catch((/** @type {any} */ error) => error);
  assert.deepEqual([late.name, late.code, late.cause.name, late.cause.code], ["FlagwireError", "timeout", "FlagwireError", "network"]);
});

test("is the same in CommonJS", () => {
  const list = [{ flag: "a", identifier: "on", value: "<", kind: "string", other: 1 }];
  const common = createRequire(import.meta.url)(join(packageDir, "server.cjs"));
  assert.equal(common.dehydrate(list), '[{"flag":"a","identifier":"on","value":"\\u003c","kind":"string"}]');
  assert.equal(common.dehydrate(list), dehydrate(list));
});

test("its text ends no script, and is what a client starts with", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const text = dehydrate(await fetchEvaluations(CLIENT_KEY, TARGET, { baseUrl: server.url }));
  const folder = tempDir(t);
  writeFileSync(
    join(folder, "index.html"),
    `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
    <script>window.flags = ${text}</script><script id="flags" type="application/json">${text}</script>
    <script type="module">
      import { initialize } from "./index.js";
      const client = initialize("${CLIENT_KEY}", ${JSON.stringify(TARGET)}, { baseUrl: "${server.url}", bootstrap: window.flags });
      window.first = [client.state().status, client.variation("nasty", ""), client.variation("__proto__", ""), client.variation("free-shipping", false)];
    </script>`,
  );
  cpSync(packageDir, folder, { recursive: true });
  const page = await openPage(t, browser, await serveFiles(t, folder));
  assert.deepEqual(await page.evaluate(() => [window.flags, JSON.parse(document.getElementById("flags")?.textContent ?? ""), "broken" in window]), [JSON.parse(text), JSON.parse(text), false]);
  assert.deepEqual(await page.waitForFunction(() => window.first).then((it) => it.jsonValue()), ["cached", NASTY, "</script>", true]);
});
