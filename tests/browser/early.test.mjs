// The sign-in is under way while the module still loads.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { startClient, told } from "../lib/client-page.mjs";
import { isSignIn, setUp } from "./support.mjs";

const browser = await startBrowser({ after });

/**
 * A page whose module arrives only when `load` is called.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 */
async function slowModule(t) {
  const { proxy, page } = await setUp(t, browser);
  let load = () => {};
  const asked = new Promise((resolve) => (load = () => resolve(undefined)));
  await page.route("**/flagwire.wasm", async (route) => {
    await asked;
    await route.continue();
  });
  await page.waitForFunction(() => "start" in window);
  return { proxy, page, load };
}

/** @param {import("../lib/proxy.mjs").Seen} request */
const isPost = (request) => isSignIn(request) && request.method === "POST";

test("the first sign-in does not wait for the module, and is the only one", async (t) => {
  const { proxy, page, load } = await slowModule(t);
  await startClient(page, proxy.url, { wait: false });
  await proxy.until(() => proxy.requests.some((request) => isPost(request) && request.delivered));
  load();
  await page.evaluate(() => /** @type {any} */ (window).clients.main.client.ready());
  assert.equal(proxy.requests.filter(isPost).length, 1);
});

test("one that fails is the core's first failure", async (t) => {
  const { proxy, page, load } = await slowModule(t);
  proxy.decide = (request) => (isPost(request) && !proxy.requests.some(isPost) ? { answer: { status: 503 } } : {});
  await startClient(page, proxy.url, { wait: false });
  await proxy.until(() => proxy.requests.some(isPost));
  load();
  await page.evaluate(() => /** @type {any} */ (window).clients.main.client.ready());
  assert.equal(proxy.requests.filter(isPost).length, 2);
  assert.deepEqual((await told(page)).events.filter(({ event }) => event === "auth error").map(({ status }) => status), [503]);
});

test("middleware that is registered at once changes it", async (t) => {
  const { proxy, page, load } = await slowModule(t);
  const asked = page.waitForRequest((request) => request.method() === "POST");
  await page.evaluate((baseUrl) => {
    const client = /** @type {any} */ (window).start("main", "flagwire-dev-client-key", { identifier: "ada" }, { baseUrl });
    client.registerAPIRequestMiddleware((/** @type {[string, RequestInit]} */ [url, init]) => [`${url}?extra=1`, init]);
  }, proxy.url);
  assert.equal((await asked).url(), `${proxy.url}/client/auth?extra=1`);
  load();
  await page.evaluate(() => /** @type {any} */ (window).clients.main.client.ready());
});

test("another target meanwhile signs in again, and what was for the first is given up", async (t) => {
  const { proxy, page, load } = await slowModule(t);
  await startClient(page, proxy.url, { wait: false });
  await proxy.until(() => proxy.requests.some(isPost));
  await page.evaluate(() => void /** @type {any} */ (window).clients.main.client.identify({ identifier: "grace" }));
  load();
  await page.evaluate(() => /** @type {any} */ (window).clients.main.client.ready());
  assert.deepEqual(proxy.requests.filter(isPost).map(({ body }) => JSON.parse(body).target.identifier), ["ada", "grace"]);
  assert.ok(proxy.requests.filter(({ path }) => path.includes("/evaluations")).every(({ path }) => path.includes("/target/grace/")));
});

test("a client that is closed before the module is there ends it", async (t) => {
  const { proxy, page, load } = await slowModule(t);
  proxy.decide = (request) => (isPost(request) ? { hold: new Promise(() => {}) } : {});
  await startClient(page, proxy.url, { wait: false });
  await proxy.until(() => proxy.requests.some(isPost));
  const ended = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/client/auth"));
  await page.evaluate(() => /** @type {any} */ (window).clients.main.client.close());
  await ended;
  load();
});

for (const [what, options, preflights] of /** @type {[string, object, number][]} */ ([["any server", {}, 1], ["flagwire-server", { server: "flagwire" }, 0]])) {
  test(`signing in at ${what} of another origin takes ${preflights} preflights`, async (t) => {
    const { proxy, page } = await setUp(t, browser);
    await startClient(page, proxy.url, { options });
    assert.equal(proxy.requests.filter(isPost).length, 1);
    assert.equal(proxy.preflights.filter((path) => path.endsWith("/client/auth")).length, preflights);
    // The other requests have a token, and with it a preflight.
    assert.ok(proxy.preflights.some((path) => path.endsWith("/evaluations")));
  });
}

test("a server that wants JSON is signed in to all the same", async (t) => {
  const { proxy, page } = await setUp(t, browser);
  proxy.decide = (request) => (isPost(request) && request.headers["content-type"] !== "application/json" ? { answer: { status: 415 } } : {});
  await startClient(page, proxy.url, { options: { server: "flagwire" } });
  assert.equal(proxy.requests.filter(isPost).length, 2);
  assert.deepEqual((await told(page)).events.filter(({ event }) => event === "auth error" || event === "error"), []);
});
