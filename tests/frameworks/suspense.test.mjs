// What waits for values in `flagwire/react`: suspense, with React 18 and 19, in Chromium.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { run } from "../../scripts/lib/run.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { bundleForNode, servePage } from "../lib/bundle.mjs";
import { everything } from "../lib/everything.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const BOOTSTRAP = [{ flag: "theme", identifier: "ocean", value: "ocean", kind: "string" }];
const COMPONENTS = `
import { StrictMode, Suspense, useState } from "react";
import { FlagwireProvider, useFlag, useFlagwireClient } from "flagwire/react";

const quiet = { debug() {}, info() {}, warn() {}, error: (...data) => void globalThis.reported?.push(data.join(" ")) };
globalThis.shown = [];

function Flag({ name, suspenseTimeoutMs }) {
  const value = useFlag(name, "default", { suspense: true, suspenseTimeoutMs });
  shown.push(value);
  return <p id={name}>{String(value)}</p>;
}
function Waiting() {
  shown.push("waiting");
  return <p id="waiting">waiting</p>;
}
function Spy() {
  const client = useFlagwireClient();
  if (client) globalThis.client = client;
  return null;
}
const setters = {};
/** The boundary is inside of the provider, or outside. */
function App({ outside, limit, ...initial }) {
  const [props, set] = useState(initial);
  setters.set = (more) => set((props) => ({ ...props, ...more }));
  const flags = <div key={props.anew}><Flag name="theme" suspenseTimeoutMs={limit} /><Flag name="no-such-flag" suspenseTimeoutMs={limit} /></div>;
  const provider = <FlagwireProvider {...props}><Spy />{outside ? flags : <Suspense fallback={<Waiting />}>{flags}</Suspense>}</FlagwireProvider>;
  return <StrictMode>{outside ? <Suspense fallback={<Waiting />}>{provider}</Suspense> : provider}</StrictMode>;
}
const app = (apiKey, target, { outside, limit, ...options }) => <App apiKey={apiKey} target={target} outside={outside} limit={limit} options={{ ...options, logger: quiet }} />;
`;
const SCRIPT = `${COMPONENTS}
import { createRoot, hydrateRoot } from "react-dom/client";
import { initialize } from "flagwire";
const root = document.getElementById("root");
window.reported = [];
window.set = (props) => setters.set(props);
window.render = (...args) => createRoot(root).render(app(...args));
window.hydrate = (html, ...args) => {
  root.innerHTML = html;
  hydrateRoot(root, app(...args));
};
window.renderClosed = (apiKey, target, { limit, ...options }) => {
  const client = initialize(apiKey, target, { ...options, logger: quiet });
  client.close();
  createRoot(root).render(<App client={client} limit={limit} />);
};
`;

const VERSIONS = /** @type {const} */ ([
  ["19", {}],
  ["18", { react: "react-18", "react-dom": "react-dom-18" }],
]);

// Most of it is waiting, and takes half a minute for each version.
for (const [name, alias] of everything ? VERSIONS : VERSIONS.slice(0, 1)) {
  describe(`React ${name}`, () => {
    /**
     * A page, and a server that can be out of reach.
     *
     * @param {import("../lib/scope.mjs").Scope} t
     */
    async function open(t) {
      const server = await startServer(t, { flags: FLAGS });
      const proxy = await startProxy(t, server.url);
      const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT, { alias }));
      return { proxy, page, options: { baseUrl: proxy.url } };
    }
    /** @param {import("playwright-core").Page} page @param {object} options @param {{ key?: string, target?: unknown }} [of] */
    const render = (page, options, { key = CLIENT_KEY, target = TARGET } = {}) => page.evaluate(([key, target, options]) => window.render(key, target, options), /** @type {const} */ ([key, target, options]));
    /** @param {import("playwright-core").Page} page @param {string} id @param {string} text */
    const shows = (page, id, text) => page.waitForFunction(([id, text]) => document.getElementById(id)?.textContent === text, [id, text]);
    /** @param {import("playwright-core").Page} page */
    const shown = (page) => page.evaluate(() => window.shown);
    const dead = /** @type {const} */ ({ refuse: "reset" });
    const silent = /** @type {const} */ ({ refuse: "hang" });

    for (const outside of [false, true]) {
      test(`renders the default after the limit, and the value when it comes, with the boundary ${outside ? "outside" : "inside"} of the provider`, async (t) => {
        const { proxy, page, options } = await open(t);
        proxy.decide = () => dead;
        await render(page, { ...options, outside, limit: 300 });
        await shows(page, "theme", "default");
        await shows(page, "no-such-flag", "default");
        proxy.decide = () => ({});
        await shows(page, "theme", "classic");
        // It did not suspend again, and never showed anything else.
        const seen = (await shown(page)).join();
        assert.match(seen, /^waiting(,waiting)*(,default)+(,classic)+(,default|,classic)*$/);
      });
    }

    test("has a limit of its own", async (t) => {
      const { proxy, page, options } = await open(t);
      proxy.decide = () => silent;
      await render(page, options);
      await shows(page, "theme", "default");
      assert.ok((await shown(page)).includes("waiting"));
    });

    test("renders values at hand at once: of bootstrap, and of the last visit", async (t) => {
      const { proxy, page, options } = await open(t);
      proxy.decide = () => silent;
      await render(page, { ...options, bootstrap: BOOTSTRAP, limit: 30_000 });
      await shows(page, "theme", "ocean");
      assert.ok(!(await shown(page)).includes("waiting"));

      await page.reload();
      proxy.decide = () => ({});
      await render(page, { ...options, cache: true });
      await shows(page, "theme", "classic");
      await page.evaluate(() => window.client.flush());
      await page.reload();
      proxy.decide = () => silent;
      await render(page, { ...options, cache: true, limit: 30_000 });
      await shows(page, "theme", "classic");
      assert.ok(!(await shown(page)).includes("waiting"));
    });

    test("a refused key and a closed client end the waiting at once", async (t) => {
      const { page, options } = await open(t);
      await render(page, { ...options, limit: 30_000 }, { key: "no-such-key" });
      await shows(page, "theme", "default");
      await page.reload();
      await page.evaluate(([key, target, options]) => window.renderClosed(key, target, options), /** @type {const} */ ([CLIENT_KEY, TARGET, { ...options, limit: 30_000 }]));
      await shows(page, "theme", "default");
      assert.ok(!(await shown(page)).includes("waiting"));
    });

    test("does not suspend again for another target", async (t) => {
      const { proxy, page, options } = await open(t);
      await render(page, options);
      await shows(page, "theme", "classic");
      proxy.decide = () => silent;
      await page.evaluate(() => (window.shown.length = 0));
      const asked = proxy.requests.length;
      await page.evaluate(() => window.set({ target: { identifier: "user-43" }, anew: "1" }));
      await proxy.until(() => proxy.requests.length > asked);
      // On the page only for some seconds, as the next test shows.
      await page.waitForFunction(() => window.shown.includes("classic"));
      assert.deepEqual([...new Set(await shown(page))].sort(), ["classic", "default"]);
    });

    test("another user has the last one's values for some seconds, and not for as long as the server is away", async (t) => {
      const { proxy, page, options } = await open(t);
      await render(page, options);
      await shows(page, "theme", "classic");
      proxy.decide = () => dead;
      await page.evaluate(() => (window.shown.length = 0));
      await page.evaluate(() => window.set({ target: { identifier: "user-43" } }));
      await page.waitForFunction(() => window.client.state().reason === "unreachable");
      await page.evaluate(() => window.set({ target: { identifier: "user-43", attributes: { plan: "free" } } }));
      await shows(page, "theme", "default");
      proxy.decide = () => ({});
      await shows(page, "theme", "classic");
      assert.ok(!(await shown(page)).includes("waiting"));
    });

    test("another user that the server refuses has defaults, and not the last one's values", async (t) => {
      const { page, options } = await open(t);
      await render(page, options);
      await shows(page, "theme", "classic");
      await page.evaluate(() => window.set({ target: { identifier: "user-43", attributes: { history: "x".repeat(70_000) } } }));
      await shows(page, "theme", "default");
      await page.waitForFunction(() => window.client.state().reason === "refused");
      await page.evaluate((target) => window.set({ target }), TARGET);
      await shows(page, "theme", "classic");
    });

    test("the same user with other attributes keeps the last values while the server is away", async (t) => {
      const { proxy, page, options } = await open(t);
      await render(page, options);
      await shows(page, "theme", "classic");
      proxy.decide = () => dead;
      const first = await page.evaluateHandle(() => window.client);
      await page.evaluate((target) => window.set({ target }), { ...TARGET, attributes: { plan: "free" } });
      await page.waitForFunction(() => window.client.state().reason === "unreachable");
      await page.waitForFunction((until) => performance.now() > until, await page.evaluate(() => performance.now() + 6000));
      await shows(page, "theme", "classic");
      assert.ok(await page.evaluate((first) => first === window.client, first));
    });

    for (const bootstrap of [BOOTSTRAP, []]) {
      const text = bootstrap.length ? "ocean" : "default";
      test(`leaves ${bootstrap.length ? "a value" : "a default"} that a server rendered on the page, also where React renders it anew`, async (t) => {
        const { proxy, page, options } = await open(t);
        proxy.decide = () => silent;
        const script = `${COMPONENTS} import { renderToString } from "react-dom/server"; console.log(renderToString(app("key", ${JSON.stringify(TARGET)}, { bootstrap: ${JSON.stringify(bootstrap)} })));`;
        const { code, output: html } = await run(process.execPath, [await bundleForNode(t, import.meta.dirname, script, { alias })]);
        assert.equal(code, 0, html);
        assert.ok(html.includes(text), html);
        await page.evaluate(
          ([html, key, target, options]) => window.hydrate(html, key, target, options),
          /** @type {const} */ ([html.trim(), CLIENT_KEY, TARGET, { ...options, bootstrap, limit: 30_000 }]),
        );
        await proxy.until(() => proxy.requests.length > 0);
        await page.evaluate(() => {
          window.shown.length = 0;
          window.set({ anew: "1" });
        });
        await page.waitForFunction(() => window.shown.length > 0);
        assert.equal(await page.locator("#theme").textContent(), text);
        assert.equal(await page.locator("#waiting").count(), 0);
        assert.ok(!(await shown(page)).includes("waiting"));
      });
    }

    test("a target that is missing renders defaults, says so, and is made good by one", async (t) => {
      const { page, options } = await open(t);
      await render(page, options, { target: null });
      await shows(page, "theme", "default");
      assert.match((await page.evaluate(() => window.reported)).join("\n"), /^Flagwire: <FlagwireProvider>[^\n]*missing-target[^\n]*$/);
      await page.evaluate((target) => window.set({ target }), TARGET);
      await shows(page, "theme", "classic");
    });

    test("renders whatever the target and bootstrap are, and follows a target that changes within", async (t) => {
      const { page, options } = await open(t);
      await render(page, { ...options, bootstrap: { no: "list" } });
      await shows(page, "theme", "classic");
      const first = await page.evaluateHandle(() => window.client);
      // A Map, as JSON alone has it, is always the same. The first switch must be over: while it is under way, another one changes no state.
      await page.evaluate(() => {
        window.states = [];
        window.client.on("state", ({ status, reason }) => window.states.push(reason ?? status));
        window.set({ target: { identifier: "user-42", attributes: { plans: new Map([["shop", "gold"]]), visits: 2n } } });
      });
      await page.waitForFunction(() => window.states.includes("target") && window.states.at(-1) === "ready");
      await page.evaluate(() => {
        window.states.length = 0;
        window.set({ target: { identifier: "user-42", attributes: { plans: new Map([["shop", "free"]]), visits: 2n } } });
      });
      await page.waitForFunction(() => window.states.includes("target"));
      await page.evaluate(() => {
        const circle = {};
        circle.circle = circle;
        window.set({ target: { identifier: "user-42", attributes: { circle } } });
      });
      await shows(page, "theme", "default");
      const [said, ...more] = await page.evaluate(() => window.reported);
      assert.match(said, /^Flagwire: <FlagwireProvider> renders defaults: invalid-target/);
      assert.deepEqual(more, []);
      await page.waitForFunction((client) => client.state().status === "closed", first);
    });

    test("a target that goes takes its values with it, and those that the page had for it", async (t) => {
      const { proxy, page, options } = await open(t);
      await render(page, { ...options, bootstrap: BOOTSTRAP });
      await shows(page, "theme", "classic");
      proxy.decide = () => silent;
      const first = await page.evaluateHandle(() => window.client);
      await page.evaluate(() => window.set({ target: undefined }));
      await shows(page, "theme", "default");
      await page.waitForFunction((client) => client.state().status === "closed", first);
      await page.evaluate(() => {
        window.shown.length = 0;
        window.set({ target: { identifier: "user-43" } });
      });
      await page.waitForFunction(() => window.shown.includes("waiting"));
      await shows(page, "theme", "default");
      assert.ok(!(await shown(page)).includes("ocean"));
    });
  });
}
