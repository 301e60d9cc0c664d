// OpenFeature's published web SDK and its OFREP provider, in Chromium, on flagwire-server.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { FLAGS } from "../lib/flags.mjs";

const browser = await startBrowser({ after });
const SCRIPT = `
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
window.log = [];
for (const event of Object.values(ProviderEvents)) OpenFeature.addHandler(event, (details) => log.push([event, details?.flagsChanged ?? details?.message]));
window.setContext = (context) => OpenFeature.setContext(context);
window.start = async (baseUrl, headers, options, context) => {
  await OpenFeature.setContext(context);
  const provider = new OFREPWebProvider({ baseUrl, headers, ...options });
  try {
    await OpenFeature.setProviderAndWait(provider);
  } catch (error) {
    return String(error);
  }
  window.client = OpenFeature.getClient();
};
window.stop = () => OpenFeature.close();
window.read = () => [
  client.getBooleanDetails("dark-mode", true),
  client.getStringDetails("theme", "none"),
  client.getNumberDetails("page-size", 0),
  client.getObjectDetails("limits", {}),
  client.getBooleanDetails("free-shipping", false),
  client.getStringDetails("no-such-flag", "default"),
  client.getStringDetails("dark-mode", "wrong type"),
].map(({ value, variant, reason, errorCode }) => [value, variant, reason, errorCode]);
`;
const CONTEXT = { targetingKey: "user-42", name: "Ada", plan: "gold" };

/**
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {{ prefix?: string, headers?: [string, string][], options?: object, context?: object }} [options]
 */
async function start(t, { prefix = "", headers = [["X-API-Key", CLIENT_KEY]], options = {}, context = CONTEXT } = {}) {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT));
  const error = await page.evaluate(([url, headers, options, context]) => window.start(url, headers, options, context), /** @type {const} */ ([server.url + prefix, headers, options, context]));
  return { server, page, error };
}

/** Until the stream is open and what it opens with has been acted on. @param {import("../lib/server.mjs").TestServer} server */
async function streaming(server) {
  await server.request(({ path, status }) => path.endsWith("/ofrep/v1/events") && status === 200);
  await server.request(({ path, status }) => path.endsWith("/ofrep/v1/evaluate/flags") && status === 304);
}

for (
  const [what, prefix, header] of /** @type {const} */ ([
    ["with X-API-Key", "", ["X-API-Key", CLIENT_KEY]],
    ["with a bearer, under /api/1.0", "/api/1.0", ["Authorization", `Bearer ${CLIENT_KEY}`]],
  ])
) {
  test(`gets ready and reads every kind, ${what}`, async (t) => {
    const { page, error } = await start(t, { prefix, headers: [[...header]] });
    assert.equal(error, undefined);
    assert.deepEqual(await page.evaluate(() => window.read()), [
      [false, "false", "STATIC", undefined],
      ["classic", "classic", "STATIC", undefined],
      [4, "small", "STATIC", undefined],
      [{ rps: 10, regions: ["eu"] }, "free", "STATIC", undefined],
      [true, "true", "TARGETING_MATCH", undefined],
      ["default", undefined, "ERROR", "FLAG_NOT_FOUND"],
      ["wrong type", undefined, "ERROR", "TYPE_MISMATCH"],
    ]);
  });
}

test("sees changes live, a burst of them with one question", async (t) => {
  const { server, page } = await start(t);
  await streaming(server);
  server.forgetRequests();
  server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true").replace("default: classic", "default: ocean").replace("default: small", "default: large"));
  await page.waitForFunction(() => window.log.find(([event, flags]) => event === "PROVIDER_CONFIGURATION_CHANGED" && flags?.length === 3));
  const values = await page.evaluate(() => window.read().map(([value]) => value));
  assert.deepEqual(values, [true, "ocean", 12, { rps: 10, regions: ["eu"] }, true, "default", "wrong type"]);
  assert.deepEqual(
    (await server.answered()).filter(({ method }) => method === "POST").map(({ path, status }) => [path, status]),
    [["/ofrep/v1/evaluate/flags", 200]],
  );
});

test("another context gets its own values, on the same stream", async (t) => {
  const { server, page } = await start(t);
  await streaming(server);
  await page.evaluate(() => window.setContext({ targetingKey: "user-7", plan: "free" }));
  // Its rule did not match, which is no reason to take the value for everybody's.
  const { value, reason } = await page.evaluate(() => window.client.getBooleanDetails("free-shipping", true));
  assert.deepEqual([value, reason], [false, "DEFAULT"]);
  assert.equal((await server.answered()).filter(({ method, path }) => method === "GET" && path === "/ofrep/v1/events").length, 1);
});

test("after the server was gone, what changed meanwhile is found without polling", async (t) => {
  const { server, page } = await start(t);
  await streaming(server);
  await server.kill();
  await page.waitForFunction(() => window.log.some(([event]) => event === "PROVIDER_STALE"));
  server.editFlags((text) => text.replace("default: classic", "default: ocean"));
  await server.start();
  await page.waitForFunction(() => window.client.getStringValue("theme", "none") === "ocean");
});

test("a wrong key, and a context without a key, are told plainly", async (t) => {
  const wrong = await start(t, { headers: [["X-API-Key", "no-such-key"]], options: { cacheMode: "disabled" } });
  assert.match(String(wrong.error), /ProviderFatalError/);
  await wrong.server.request(({ path, status }) => path === "/ofrep/v1/evaluate/flags" && status === 401);
  const nobody = await start(t, { context: { plan: "gold" }, options: { cacheMode: "disabled" } });
  assert.match(String(nobody.error), /Error/);
  await nobody.server.request(({ path, status }) => path === "/ofrep/v1/evaluate/flags" && status === 400);
});
