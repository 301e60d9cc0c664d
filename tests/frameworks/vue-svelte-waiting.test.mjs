// What waits for values in `flagwire/vue` and `flagwire/svelte`, and what a server renders.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { compile } from "svelte/compiler";
import { run } from "../../scripts/lib/run.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { bundleForNode, servePage } from "../lib/bundle.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { gate } from "../lib/wait.mjs";

const browser = await startBrowser({ after });
const BOOTSTRAP = [{ flag: "theme", identifier: "ocean", value: "ocean", kind: "string" }];
const VUE = `
import { createSSRApp, defineComponent, h, Suspense } from "vue";
import { flagwire, useFlag, useFlags, useFlagwireReady, useFlagwireState } from "flagwire/vue";

const Theme = defineComponent({
  async setup() {
    const theme = useFlag("theme", "default");
    const names = useFlags();
    const state = useFlagwireState();
    const settled = await useFlagwireReady(300);
    return () => [h("p", { id: "theme" }, theme.value), h("p", { id: "names" }, Object.keys(names.value).sort().join()), h("p", { id: "state" }, state.value.status), h("p", { id: "settled" }, settled.status)];
  },
});
const App = defineComponent({ render: () => h(Suspense, null, { default: () => h("div", null, [h(Theme)]), fallback: () => h("p", { id: "waiting" }, "waiting") }) });
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const app = (apiKey, target, options) => createSSRApp(App).use(flagwire, { apiKey, target, options: { ...options, logger: quiet } });
`;
const SVELTE = `
<script>
  import { flag, flags, flagwireReady, flagwireState, setFlagwire } from "flagwire/svelte";
  let { apiKey, target, options } = $props();
  setFlagwire({ apiKey, target, options: { ...options, logger: { debug() {}, info() {}, warn() {}, error() {} } } });
  const theme = flag("theme", "default");
  const all = flags();
  const state = flagwireState();
  const ready = flagwireReady(300);
</script>
<p id="state">{$state.status}</p>
<p id="names">{Object.keys($all).sort().join()}</p>
<p id="first">{$theme}</p>
{#await ready}<p id="waiting">waiting</p>{:then settled}<p id="theme">{$theme}</p><p id="settled">{settled.status}</p>{/await}
`;

/** @param {import("../lib/scope.mjs").Scope} t @param {"client" | "server"} generate */
function svelte(t, generate) {
  const path = join(tempDir(t), "App.js");
  writeFileSync(path, compile(SVELTE, { name: "App", filename: "App.svelte", dev: false, generate }).js.code);
  return `import App from ${JSON.stringify(path)};`;
}

const define = { __VUE_OPTIONS_API__: "true", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "true" };
for (
  const [name, page, server, alias] of /** @type {const} */ ([
    [
      "Vue",
      () => `${VUE} window.start = (...args) => app(...args).mount("#root");`,
      (/** @type {import("../lib/scope.mjs").Scope} */ _, /** @type {string} */ args) => `${VUE} import { renderToString } from "@vue/server-renderer"; renderToString(app(${args})).then((html) => console.log(html));`,
      { vue: "vue" },
    ],
    [
      "Svelte",
      (/** @type {import("../lib/scope.mjs").Scope} */ t) =>
        `${svelte(t, "client")} import { hydrate, mount } from "svelte";
       window.start = (apiKey, target, options) => { const root = document.getElementById("root"); (root.firstChild ? hydrate : mount)(App, { target: root, props: { apiKey, target, options } }); };`,
      (/** @type {import("../lib/scope.mjs").Scope} */ t, /** @type {string} */ args) =>
        `${svelte(t, "server")} import { render } from "svelte/server"; const [apiKey, target, options] = [${args}]; console.log(render(App, { props: { apiKey, target, options } }).body);`,
      { svelte: "svelte" },
    ],
  ])
) {
  /** @param {import("../lib/scope.mjs").Scope} t */
  const open = async (t) => {
    const upstream = await startServer(t, { flags: FLAGS });
    const proxy = await startProxy(t, upstream.url);
    const opened = await openPage(t, browser, await servePage(t, import.meta.dirname, page(t), { define, alias }));
    /** @type {string[]} */
    const warnings = [];
    opened.on("console", (message) => void (["warning", "error"].includes(message.type()) && warnings.push(message.text())));
    /** @param {object} options */
    const start = (options) => opened.evaluate(([key, target, options]) => window.start(key, target, options), /** @type {const} */ ([CLIENT_KEY, TARGET, { baseUrl: proxy.url, ...options }]));
    /** @param {string} id @param {string} text */
    const shows = (id, text) => opened.waitForFunction(([id, text]) => document.getElementById(id)?.textContent === text, [id, text]);
    return { proxy, page: opened, start, shows, warnings };
  };

  test(`${name}: waits for values no longer than the limit, and follows what comes later`, async (t) => {
    const { proxy, page, start, shows } = await open(t);
    proxy.decide = () => ({ refuse: "reset" });
    // A busy machine may not look while it is there.
    await page.evaluate(() => new MutationObserver(() => document.getElementById("waiting") && (window.waited = true)).observe(document, { childList: true, subtree: true }));
    await start({});
    await shows("theme", "default");
    assert.equal(await page.evaluate(() => window.waited), true);
    await shows("settled", "initializing");
    proxy.decide = () => ({});
    await shows("theme", "classic");
  });

  test(`${name}: does not wait where values are at hand`, async (t) => {
    const { proxy, start, shows } = await open(t);
    proxy.decide = () => ({ refuse: "hang" });
    await start({ bootstrap: BOOTSTRAP });
    await shows("theme", "ocean");
    await shows("settled", "cached");
  });

  test(`${name}: a server renders the page's first values, asks nobody and ends; the page hydrates with the same`, async (t) => {
    const { proxy, page, start, shows, warnings } = await open(t);
    const args = `${JSON.stringify(CLIENT_KEY)}, ${JSON.stringify(TARGET)}, ${JSON.stringify({ baseUrl: proxy.url, bootstrap: BOOTSTRAP })}`;
    const { code, output } = await run(process.execPath, [await bundleForNode(t, import.meta.dirname, server(t, args), { alias })]);
    assert.equal(code, 0, output);
    assert.match(output, />cached</);
    assert.match(output, />ocean</);
    assert.match(output, />theme</);
    assert.equal(proxy.requests.length, 0);
    const { opened, open: answer } = gate();
    proxy.decide = () => ({ hold: opened });
    await page.evaluate((html) => void (document.getElementById("root").innerHTML = html), output.trim());
    await start({ bootstrap: BOOTSTRAP });
    await shows("state", "cached");
    await shows("names", "theme");
    await shows("theme", "ocean");
    answer();
    await shows("theme", "classic");
    assert.deepEqual(warnings.filter((text) => /hydrat|mismatch/i.test(text)), []);
  });
}
