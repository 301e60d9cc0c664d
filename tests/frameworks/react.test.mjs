// `flagwire/react` with React 18 and 19, in Chromium.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { bundleForNode, servePage } from "../lib/bundle.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";

const browser = await startBrowser({ after });
const COMPONENTS = `
import { StrictMode, Suspense, useState, version } from "react";
import { FlagwireProvider, useFlag, useFlags, useFlagwireClient, useFlagwireState } from "flagwire/react";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

function Flag({ name, fallback, options }) {
  renders[name] = (renders[name] ?? 0) + 1;
  const value = useFlag(name, fallback, options);
  return <p id={name}>{JSON.stringify(value)}</p>;
}
function Spy() {
  const client = useFlagwireClient();
  if (client) clients.add(client);
  globalThis.client = client;
  return <><p id="client">{client ? "client" : "none"}</p><p id="state">{useFlagwireState().status}</p></>;
}
function All() {
  renders.all = (renders.all ?? 0) + 1;
  return <p id="all">{JSON.stringify(useFlags())}</p>;
}
const setters = {};
function App({ children, strict, ...initial }) {
  const [props, set] = useState(initial);
  setters.set = (more) => set((props) => ({ ...props, ...more }));
  const tree = props.gone ? null : <FlagwireProvider {...props}>{children}</FlagwireProvider>;
  return strict ? <StrictMode>{tree}</StrictMode> : tree;
}
const flags = <><Flag name="dark-mode" fallback={true} /><Flag name="theme" fallback="default" /><Flag name="page-size" fallback={-1} /><Flag name="limits" fallback={{}} /><Flag name="no-such-flag" fallback={["default"]} /><Spy /></>;
const given = (apiKey, target, options) => ({ apiKey, target, options: { ...options, logger: quiet } });
`;
const SCRIPT = `${COMPONENTS}
import { createRoot, hydrateRoot } from "react-dom/client";
const root = document.getElementById("root");
window.version = version;
window.renders = {};
window.clients = new Set();
window.errors = [];
window.set = (props) => setters.set(props);
window.cases = {
  plain: (...args) => createRoot(root).render(<App {...given(...args)}>{flags}</App>),
  strict: (...args) => createRoot(root).render(<App strict {...given(...args)}>{flags}<All /></App>),
  suspense: (...args) => createRoot(root).render(<StrictMode><Suspense fallback={<p id="fallback">waiting</p>}><App {...given(...args)}><Flag name="theme" fallback="default" options={{ suspense: true }} /><Spy /></App></Suspense></StrictMode>),
  hydrate: (...args) => {
    const tree = <App {...given(...args)}>{flags}<All /></App>;
    root.innerHTML = window.served = args[3];
    hydrateRoot(root, tree, { onRecoverableError: (error) => errors.push(String(error)) });
  },
};
`;
/**
 * What Node makes of the case "hydrate".
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {Record<string, string>} alias
 * @param {object[]} bootstrap
 * @returns {Promise<string>}
 */
async function serverHtml(t, alias, bootstrap) {
  const script = `${COMPONENTS}
import { renderToString } from "react-dom/server";
globalThis.renders = {};
globalThis.clients = new Set();
console.log(renderToString(<App {...given("key", ${JSON.stringify(TARGET)}, { bootstrap: ${JSON.stringify(bootstrap)} })}>{flags}<All /></App>));`;
  const file = await bundleForNode(t, import.meta.dirname, script, { alias });
  const { code, output } = await run(process.execPath, [file]);
  assert.equal(code, 0, output);
  return output.trim();
}

for (
  const [name, alias] of /** @type {const} */ ([
    ["18", { react: "react-18", "react-dom": "react-dom-18" }],
    ["19", {}],
  ])
) {
  describe(`React ${name}`, () => {
    /** @param {import("../lib/scope.mjs").Scope} t @param {string} which @param {object} [options] */
    async function render(t, which, options = {}, html = "") {
      const server = await startServer(t, { flags: FLAGS });
      const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT, { alias }));
      assert.match(await page.evaluate(() => window.version), new RegExp(`^${name}\\.`));
      await page.evaluate(
        ([which, key, target, options, html]) => window.cases[which](key, target, options, html),
        /** @type {const} */ ([which, CLIENT_KEY, TARGET, { baseUrl: server.url, ...options }, html]),
      );
      return { server, page };
    }
    /** @param {import("playwright-core").Page} page @param {string} id @param {unknown} value */
    const shows = (page, id, value) => page.waitForFunction(([id, text]) => document.getElementById(id)?.textContent === text, /** @type {const} */ ([id, typeof value === "string" && id === "state" ? value : JSON.stringify(value)]));
    /** @param {import("playwright-core").Page} page */
    const all = async (page) => {
      await shows(page, "dark-mode", false);
      await shows(page, "theme", "classic");
      await shows(page, "page-size", 4);
      await shows(page, "limits", { rps: 10, regions: ["eu"] });
      await shows(page, "no-such-flag", ["default"]);
      await shows(page, "state", "ready");
    };

    test("reads every kind, and renders again for its own flag alone", async (t) => {
      const { server, page } = await render(t, "plain");
      await all(page);
      const before = await page.evaluate(() => ({ ...window.renders }));
      server.editFlags((text) => text.replace("default: classic", "default: ocean"));
      await shows(page, "theme", "ocean");
      assert.deepEqual(await page.evaluate(() => window.renders), { ...before, theme: before.theme + 1 });
    });

    test("makes one client in StrictMode, and closes it when the provider has gone", async (t) => {
      const { server, page } = await render(t, "strict");
      await all(page);
      assert.equal(await page.evaluate(() => window.clients.size), 1);
      assert.equal((await server.answered()).filter(({ method, path }) => method === "POST" && path.endsWith("/client/auth")).length, 1);
      server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true"));
      await shows(page, "dark-mode", true);
      await shows(page, "all", { "dark-mode": true, "free-shipping": true, limits: { rps: 10, regions: ["eu"] }, "page-size": 4, theme: "classic" });
      await page.evaluate(() => window.set({ gone: true }));
      await page.waitForFunction(() => window.client.state().status === "closed");
    });

    test("switches to another target with the same client", async (t) => {
      const { page } = await render(t, "strict");
      await shows(page, "all", { "dark-mode": false, "free-shipping": true, limits: { rps: 10, regions: ["eu"] }, "page-size": 4, theme: "classic" });
      await page.evaluate(() => window.set({ target: { identifier: "user-43", attributes: { plan: "free" } } }));
      await shows(page, "all", { "dark-mode": false, "free-shipping": false, limits: { rps: 10, regions: ["eu"] }, "page-size": 4, theme: "classic" });
      assert.equal(await page.evaluate(() => window.clients.size), 1);
    });

    test("makes another client for another key", async (t) => {
      const { page } = await render(t, "strict");
      await all(page);
      const first = await page.evaluateHandle(() => window.client);
      await page.evaluate(() => window.set({ apiKey: "no-such-key" }));
      await page.waitForFunction((first) => first.state().status === "closed" && window.clients.size === 2, first);
      await shows(page, "theme", "default");
    });

    test("hydrates what a server rendered from bootstrap values, without a mismatch", async (t) => {
      const bootstrap = [
        { flag: "theme", identifier: "ocean", value: "ocean", kind: "string" },
        { flag: "limits", identifier: "gold", value: '{"rps":100}', kind: "json" },
      ];
      const { page } = await render(t, "hydrate", { bootstrap }, await serverHtml(t, alias, bootstrap));
      // The server's values take their place afterwards.
      await all(page);
      assert.deepEqual(await page.evaluate(() => window.errors), []);
      const html = await page.evaluate(() => window.served);
      assert.match(html, /&quot;ocean&quot;/);
      assert.match(html, />none</);
      assert.match(html, />cached</);
      assert.equal(await page.locator("#client").textContent(), "client");
    });

    test("hydrates what a server rendered without values, without a mismatch", async (t) => {
      const { page } = await render(t, "hydrate", {}, await serverHtml(t, alias, []));
      await all(page);
      assert.deepEqual(await page.evaluate(() => window.errors), []);
      const html = await page.evaluate(() => window.served);
      assert.match(html, />none</);
      assert.match(html, />initializing</);
    });

    test("suspends until the values are there, with the boundary outside of the provider", async (t) => {
      const { server, page } = await render(t, "suspense");
      await page.waitForFunction(() => document.getElementById("theme") || document.getElementById("fallback"));
      await shows(page, "theme", "classic");
      await shows(page, "state", "ready");
      assert.equal(await page.locator("#fallback").count(), 0);
      assert.equal((await server.answered()).filter(({ method, path }) => method === "POST" && path.endsWith("/client/auth")).length, 1);
    });
  });
}
