// What a page's console says of mistakes and failures: sentences in the development build, codes with their data in the other.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { setUp } from "./support.mjs";

const browser = await startBrowser({ after });
const CLIENT_KEY = "flagwire-dev-client-key";
const SERVER_KEY = "flagwire-dev-server-key";

/**
 * Runs a client of a build in the page: waits for an event, reads flags, and returns what was logged, level first.
 *
 * @param {import("playwright-core").Page} page
 * @param {{ build: string, key?: string, baseUrl: string, options?: object, until: string, reads?: [string, unknown][] }} how
 * @returns {Promise<{ logged: string[], state: { status: string, reason?: string } }>}
 */
async function run(page, { key = CLIENT_KEY, ...how }) {
  await page.waitForFunction(() => "start" in window);
  return page.evaluate(
    async ({ build, key, baseUrl, options, until, reads = [] }) => {
      const { initialize } = await import(new URL(`${build}.js`, location.href).href);
      const logged = /** @type {string[]} */ ([]);
      const level = (/** @type {string} */ name) => (/** @type {string} */ text) => name === "debug" || logged.push(`${name} ${text}`);
      const logger = { debug: level("debug"), info: level("info"), warn: level("warn"), error: level("error") };
      const client = initialize(key, { identifier: "ada" }, { baseUrl, logger, ...options });
      await new Promise((resolve) => client.on(until, resolve));
      for (const [flag, defaultValue] of [...reads, ...reads]) client.variation(flag, defaultValue);
      // The state is reported right after.
      await new Promise((resolve) => setTimeout(resolve));
      const state = client.state();
      client.close();
      return { logged, state };
    },
    { key, ...how },
  );
}

const LINK = "https://github.com/flagwire/flagwire/blob/main/docs/ERRORS.md#";

test("a server that cannot be reached: production says the code, the address and what was thrown", async (t) => {
  const { page } = await setUp(t, browser);
  const { logged, state } = await run(page, { build: "index", baseUrl: "http://127.0.0.1:1", until: "error" });
  assert.deepEqual(logged, [`warn Flagwire: network, auth error, http://127.0.0.1:1, TypeError: Failed to fetch. See ${LINK}network`]);
  assert.deepEqual([state.status, state.reason], ["initializing", "unreachable"]);
});

test("a server that cannot be reached: development says what it may be", async (t) => {
  const { page } = await setUp(t, browser);
  const { logged } = await run(page, { build: "development", baseUrl: "http://127.0.0.1:1", until: "error" });
  assert.equal(logged.length, 1);
  assert.match(
    logged[0] ?? "",
    /^warn Flagwire: signing in at http:\/\/127\.0\.0\.1:1 failed: no answer came \(Failed to fetch: .* does not allow pages of http:\/\/.* \(CORS\); the browser's console says which\)\. It is tried again\. See /,
  );
});

test("a refused key, and a server key that a page uses: both say the server's own words", async (t) => {
  const { proxy, page } = await setUp(t, browser);
  for (const [key, status, words] of /** @type {[string, number, string][]} */ ([["wrong", 401, "the key is not known here"], [SERVER_KEY, 403, "a server key must not be used in a browser; use a client key there"]])) {
    const { logged, state } = await run(page, { build: "index", key, baseUrl: proxy.url, until: "error" });
    assert.deepEqual(logged, [`error Flagwire: unauthorized, auth error, ${proxy.url}, ${status}, ${words}. See ${LINK}unauthorized`]);
    assert.equal(state.reason, "refused");
  }
});

test("a server key that the server lets a page use is warned of in development", async (t) => {
  const { proxy, page } = await setUp(t, browser, { args: ["--server-keys-in-browsers", "true"] });
  const { logged } = await run(page, { build: "development", key: SERVER_KEY, baseUrl: proxy.url, until: "fetch flags error" });
  assert.match(logged[0] ?? "", /^warn Flagwire: this is a server key; everybody who opens the page can read it/);
});

test("reads that gave the default are named once in debug, by production too", async (t) => {
  const { proxy, page } = await setUp(t, browser);
  const reads = /** @type {[string, unknown][]} */ ([["drak", false], ["theme", 7], ["theme", ""]]);
  const { logged } = await run(page, { build: "index", baseUrl: proxy.url, options: { debug: true }, until: "ready", reads });
  assert.deepEqual(logged, [`warn Flagwire: unknown-flag, drak. See ${LINK}unknown-flag`, `warn Flagwire: wrong-type, theme. See ${LINK}wrong-type`]);
  const developed = await run(page, { build: "development", baseUrl: proxy.url, options: { debug: true }, until: "ready", reads });
  assert.match(developed.logged[0] ?? "", /there is no flag drak; its default was returned\. Do you mean dark\?/);
  const silent = await run(page, { build: "index", baseUrl: proxy.url, until: "ready", reads });
  assert.deepEqual(silent.logged, []);
});

test("wrong options are named in development, and their defaults taken by both", async (t) => {
  const { proxy, page } = await setUp(t, browser);
  const options = { streamEnabled: "yes", pollingInterval: NaN, streamTransport: "pigeon" };
  const { logged } = await run(page, { build: "development", baseUrl: proxy.url, options, until: "connected" });
  assert.deepEqual(logged.map((text) => text.replace(/\. See .*/, "")), [
    "warn Flagwire: the option streamEnabled must be a boolean; true is used",
    "warn Flagwire: the option streamTransport must be one of auto, eventsource, fetch; auto is used",
    "warn Flagwire: the option pollingInterval must be a number; 60000 is used",
  ]);
  const { logged: said } = await run(page, { build: "index", baseUrl: proxy.url, options, until: "connected" });
  assert.deepEqual(said, []);
});
