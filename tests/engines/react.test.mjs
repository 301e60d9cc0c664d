// React's hooks, whose rendering follows changes and another target.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { servePage } from "../lib/bundle.mjs";
import { startEngines } from "../lib/engines.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { changeTheme, TRANSPORTS } from "./support.mjs";

const SCRIPT = `
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { FlagwireProvider, useFlag, useFlagwireState } from "flagwire/react";

window.failures = [];
addEventListener("error", ({ message }) => failures.push(message));
addEventListener("unhandledrejection", ({ reason }) => failures.push(String(reason)));
const [baseUrl, streamTransport] = [...new URLSearchParams(location.search).values()];
const options = { baseUrl, streamTransport };

function Shop() {
  return <p id="shop">{[useFlag("theme", "default"), useFlag("page-size", 0), useFlag("free-shipping", false), useFlagwireState().status].join(" ")}</p>;
}
function App() {
  const [target, become] = useState(${JSON.stringify(TARGET)});
  Object.assign(window, { become });
  return target && <FlagwireProvider apiKey="${CLIENT_KEY}" target={target} options={options}><Shop /></FlagwireProvider>;
}
createRoot(document.getElementById("root")).render(<StrictMode><App /></StrictMode>);
`;

for (const engine of await startEngines({ after })) {
  for (const streamTransport of TRANSPORTS) {
    test(`React renders flags, changes and another target in ${engine.name}: ${streamTransport}`, async (t) => {
      const server = await startServer(t, { flags: FLAGS });
      const proxy = await startProxy(t, server.url);
      const url = await servePage(t, import.meta.dirname, SCRIPT);
      const page = await engine.open(t, `${url}/?${new URLSearchParams({ server: proxy.url, streamTransport })}`);
      const shown = (/** @type {string} */ text) => page.until(`the page to show “${text}”`, (text) => document.getElementById("shop")?.textContent === text, text);
      await shown("classic 4 true ready");
      changeTheme(server, "classic", "ocean");
      await shown("ocean 4 true ready");
      await page.evaluate(() => /** @type {any} */ (window).become({ identifier: "grace" }));
      await shown("ocean 4 false ready");
      await page.evaluate(() => /** @type {any} */ (window).become(undefined));
      await proxy.until(() => proxy.streams.size === 0);
      assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).failures), []);
    });
  }
}
