// The published `@harnessio/ff-react-client-sdk` in Chromium, on `flagwire/harness` in place of the SDK it wraps.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";

const browser = await startBrowser({ after });
const SCRIPT = `
import { createRoot } from "react-dom/client";
import { FFContextProvider, ifFeatureFlag, useFeatureFlag, useFeatureFlags, useFeatureFlagsClient, useFeatureFlagsLoading } from "@harnessio/ff-react-client-sdk";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const Shipping = ifFeatureFlag("free-shipping")(() => <i>free shipping</i>);
function App() {
  window.client = useFeatureFlagsClient();
  const flags = useFeatureFlags();
  return <p id="app">{JSON.stringify([useFeatureFlag("theme", "default"), useFeatureFlag("no-such-flag", "default"), useFeatureFlagsLoading(), Object.keys(flags).sort()])}<Shipping /></p>;
}
window.render = (apiKey, target, options) =>
  createRoot(document.getElementById("root")).render(
    <FFContextProvider apiKey={apiKey} target={target} options={{ ...options, logger: quiet }} fallback={<p id="fallback">loading</p>} onError={(event) => (window.failed = event)}>
      <App />
    </FFContextProvider>,
  );
`;

/** @param {import("../lib/scope.mjs").Scope} t @param {string} [key] */
async function render(t, key = CLIENT_KEY) {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT, { alias: { "@harnessio/ff-javascript-client-sdk": "flagwire/harness" } }));
  await page.evaluate(([key, target, url]) => window.render(key, target, { baseUrl: url, eventUrl: url }), /** @type {const} */ ([key, TARGET, server.url]));
  return { server, page };
}

test("renders the fallback, then the flags, then changes", async (t) => {
  const { server, page } = await render(t);
  const names = ["dark-mode", "free-shipping", "limits", "page-size", "theme"];
  await page.getByText(JSON.stringify(["classic", "default", false, names])).waitFor();
  assert.equal(await page.locator("#fallback").count(), 0);
  assert.equal(await page.getByText("free shipping").count(), 1);
  await server.stream();
  server.editFlags((text) => text.replace("default: classic", "default: ocean"));
  await page.getByText(JSON.stringify(["ocean", "default", false, names])).waitFor();
});

test("renders with defaults after a wrong key", async (t) => {
  const { page } = await render(t, "no-such-key");
  await page.getByText(JSON.stringify(["default", "default", false, []])).waitFor();
  assert.equal(await page.evaluate(() => window.failed), "auth error");
});
