// Components in React, Vue and Svelte follow overrides as they follow the server, with nothing of their own for it.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

/** @type {any} */
const window = globalThis;
const browser = await startBrowser({ after });
const BODY = '<div id="react"></div><div id="vue"></div><div id="svelte"></div>';
const SCRIPT = `
import { initialize } from "flagwire";
import { localOverrides } from "flagwire/overrides";
import { FlagwireProvider, useFlagDetail as useDetail, useFlags as useAll } from "flagwire/react";
import { flag, flags } from "flagwire/svelte";
import { flagwire, useFlag, useFlags } from "flagwire/vue";
import { createRoot } from "react-dom/client";
import { createApp, h } from "vue";

const InReact = () => {
  const { value, reason } = useDetail("theme", "default");
  return [value, useAll().theme, reason].join(" ");
};
const inVue = { setup() { const [theme, all] = [useFlag("theme", "default"), useFlags()]; return () => h("p", theme.value + " " + all.value.theme); } };
window.start = (key, target, baseUrl) => {
  window.client = initialize(key, target, { baseUrl, overrides: localOverrides() });
  createRoot(document.getElementById("react")).render(<FlagwireProvider client={client}><InReact /></FlagwireProvider>);
  createApp(inVue).use(flagwire, { client }).mount("#vue");
  const shown = ["", ""];
  const show = (at, value) => { shown[at] = value; document.getElementById("svelte").textContent = shown.join(" "); };
  flag("theme", "default", client).subscribe((value) => show(0, value));
  flags(client).subscribe((all) => show(1, all.theme));
};
`;

test("values, reasons and lists of all flags follow an override and its end", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openPage(t, browser, await servePage(t, import.meta.dirname, SCRIPT, { body: BODY, alias: { vue: "vue" } }));
  await page.waitForFunction(() => "start" in window);
  await page.evaluate(([key, target, url]) => window.start(key, target, url), /** @type {const} */ ([CLIENT_KEY, TARGET, server.url]));
  const all = async (/** @type {string} */ values, /** @type {string} */ reason) => {
    for (const [id, text] of [["react", `${values} ${reason}`], ["vue", values], ["svelte", values]]) await page.waitForFunction(([id, text]) => document.getElementById(id ?? "")?.textContent === text, [id, text]);
  };
  await all("classic classic", "evaluated");
  await page.evaluate(() => window.client.override("theme", "sunset"));
  await all("sunset sunset", "override");
  await page.evaluate(() => window.client.clearOverrides());
  await all("classic classic", "evaluated");
  assert.deepEqual(await page.evaluate(() => ({ ...window.client.overrides() })), {});
});
