// Pages that forbid WebAssembly: the same core runs as JavaScript, which other pages never load.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { serveClientPage, startClient, untilServed } from "../lib/client-page.mjs";
import { startServer } from "../lib/server.mjs";
import { edit, FLAGS } from "./support.mjs";

const browser = await startBrowser({ after });

/**
 * A page under a policy, live, and what it loaded.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {Record<string, string>} headers
 */
async function live(t, headers) {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openPage(t, browser, "about:blank");
  /** @type {string[]} */
  const loaded = [];
  page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  await page.goto(await serveClientPage(t, { headers }));
  await startClient(page, server.url);
  await edit(server, (text) => text.replace("dark: false", "dark: true"));
  await untilServed(page, "dark", true);
  return { page, loaded };
}

test("a page that forbids WebAssembly gets the core as JavaScript, live, and does not load the module", async (t) => {
  const { page, loaded } = await live(t, { "content-security-policy": "script-src 'self'" });
  assert.ok(loaded.includes("/fallback.js"));
  assert.ok(!loaded.includes("/flagwire.wasm"));
  const forbidden = await page.evaluate(() => WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(() => false, () => true));
  assert.equal(forbidden, true, "the policy is in force");
});

test("a page that allows WebAssembly does not load the JavaScript build", async (t) => {
  const { loaded } = await live(t, { "content-security-policy": "script-src 'self' 'wasm-unsafe-eval'" });
  assert.ok(loaded.includes("/flagwire.wasm"));
  assert.ok(!loaded.includes("/fallback.js"));
});
