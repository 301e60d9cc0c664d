// `flagwire/vue` and `flagwire/svelte` in Chromium.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { compile } from "svelte/compiler";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
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
const APP = `
<script>
  import { flag, flags, flagwireState, setFlagwire } from "flagwire/svelte";
  import Theme from "./Theme";
  let props = $props();
  window.client = setFlagwire(props);
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
/** Both components in one script: the imports of the second are the first's. */
const component = (/** @type {string} */ source, /** @type {string} */ name) => compile(source, { name, filename: `${name}.svelte`, generate: "client", dev: false }).js.code.replace("export default function", "function");
const prefixed = (/** @type {string} */ code) => {
  const imports = code.match(/^import .*$/gm) ?? [];
  return { imports, body: code.replaceAll(/^import .*$/gm, "") };
};
const [app, theme] = [prefixed(component(APP, "App")), prefixed(component(THEME, "Theme"))];
const SVELTE = `
import { mount, unmount } from "svelte";
${[...new Set([...app.imports, ...theme.imports])].filter((line) => !line.includes("./Theme") && line !== "import { flag } from 'flagwire/svelte';" && line !== 'import { flag } from "flagwire/svelte";').join("\n")}
const Theme = (() => { ${theme.body}; return Theme; })();
const App = (() => { ${app.body}; return App; })();
window.start = (apiKey, target, options) => (window.app = mount(App, { target: document.getElementById("root"), props: { apiKey, target, options } }));
window.stop = () => unmount(window.app);
`;

for (const [name, script] of [
  ["Vue", VUE],
  ["Svelte", SVELTE],
]) {
  test(`${name}: reads, follows changes, and closes the client with the application`, async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const define = { __VUE_OPTIONS_API__: "true", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" };
    const page = await openPage(t, browser, await servePage(t, import.meta.dirname, script, { define, alias: { vue: "vue", svelte: "svelte" } }));
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
