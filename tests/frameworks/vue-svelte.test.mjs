// `flagwire/vue` and `flagwire/svelte` in Chromium.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { compile } from "svelte/compiler";
import { compile as compile4 } from "svelte-4/compiler";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";

const browser = await startBrowser({ after });
const VUE = `
import { createApp, h, defineComponent, ref } from "vue";
import { flagwire, useFlag, useFlags, useFlagwireClient, useFlagwireState } from "flagwire/vue";

window.renders = 0;
const Theme = defineComponent({
  setup() {
    const theme = useFlag("theme", "default");
    return () => (window.renders++, h("p", { id: "theme" }, theme.value));
  },
});
const App = defineComponent({
  setup() {
    window.client = useFlagwireClient();
    const name = (window.flagName = ref("dark-mode"));
    const [dark, flags, state] = [useFlag(name, true), useFlags(), useFlagwireState()];
    return () => [h(Theme), h("p", { id: "dark-mode" }, String(dark.value)), h("p", { id: "all" }, Object.keys(flags.value).sort().join()), h("p", { id: "state" }, state.value.status)];
  },
});
window.start = (apiKey, target, options) => {
  window.app = createApp(App).use(flagwire, { apiKey, target, options });
  app.mount("#root");
};
window.stop = () => app.unmount();
`;
/** @param {"5" | "4"} version */
const svelteApp = (version) => `
<script>
  import { flag, flags, flagwireState, setFlagwire } from "flagwire/svelte";
  import Theme from "./Theme.js";
  ${version === "5" ? "let { apiKey, target, options } = $props();" : "export let apiKey, target, options;"}
  window.client = setFlagwire({ apiKey, target, options });
  const dark = flag("dark-mode", true);
  const all = flags();
  const state = flagwireState();
</script>
<Theme />
<p id="dark-mode">{$dark}</p>
<p id="all">{Object.keys($all).sort().join()}</p>
<p id="state">{$state.status}</p>
`;
const THEME = `
<script>
  import { flag } from "flagwire/svelte";
  const theme = flag("theme", "default");
</script>
<p id="theme">{$theme}</p>
`;
/** The page's script; the components are compiled into a folder. @param {import("../lib/scope.mjs").Scope} t @param {"5" | "4"} version */
function svelte(t, version) {
  const folder = tempDir(t);
  for (
    const [name, source] of [
      ["App", svelteApp(version)],
      ["Theme", THEME],
    ]
  ) {
    const options = { name, filename: `${name}.svelte`, dev: false };
    writeFileSync(join(folder, `${name}.js`), version === "5" ? compile(source, options).js.code : compile4(source, options).js.code);
  }
  const mounted = {
    5: `window.start = (apiKey, target, options) => (window.app = mount(App, { target: document.getElementById("root"), props: { apiKey, target, options } })); window.stop = () => unmount(window.app);`,
    4: `window.start = (apiKey, target, options) => (window.app = new App({ target: document.getElementById("root"), props: { apiKey, target, options } })); window.stop = () => window.app.$destroy();`,
  };
  return `${version === "5" ? 'import { mount, unmount } from "svelte";' : ""} import App from "${join(folder, "App.js")}"; ${mounted[version]}`;
}

for (
  const [name, script, alias] of /** @type {const} */ ([
    ["Vue", () => VUE, { vue: "vue" }],
    ["Svelte 5", (/** @type {import("../lib/scope.mjs").Scope} */ t) => svelte(t, "5"), { svelte: "svelte" }],
    ["Svelte 4", (/** @type {import("../lib/scope.mjs").Scope} */ t) => svelte(t, "4"), { svelte: "svelte-4" }],
  ])
) {
  test(`${name}: reads, follows changes, and closes the client with the application`, async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const define = { __VUE_OPTIONS_API__: "true", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" };
    const page = await openPage(t, browser, await servePage(t, import.meta.dirname, script(t), { define, alias }));
    await page.evaluate(([key, target, url]) => window.start(key, target, { baseUrl: url }), /** @type {const} */ ([CLIENT_KEY, TARGET, server.url]));
    /** @param {string} id @param {string} text */
    const shows = (id, text) => page.waitForFunction(([id, text]) => document.getElementById(id)?.textContent === text, [id, text]);
    await shows("theme", "classic");
    await shows("dark-mode", "false");
    await shows("all", "dark-mode,free-shipping,limits,page-size,theme");
    await shows("state", "ready");
    if (name === "Vue") {
      const before = await page.evaluate(() => window.renders);
      server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true"));
      await shows("dark-mode", "true");
      // The component of another flag was left alone.
      assert.equal(await page.evaluate(() => window.renders), before);
      await page.evaluate(() => (window.flagName.value = "free-shipping"));
      await page.evaluate(() => (window.flagName.value = "no-such-flag"));
      await shows("dark-mode", "true");
    }
    server.editFlags((text) => text.replace("default: classic", "default: ocean"));
    await shows("theme", "ocean");
    await page.evaluate(() => window.stop());
    await page.waitForFunction(() => window.client.state().status === "closed");
  });
}
