// The page of a server with several environments, one of them relayed from another server.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { startService } from "../../scripts/lib/services.mjs";
import { startBrowser } from "../lib/browser.mjs";
import { atEnd, tempDir } from "../lib/scope.mjs";
import { SERVER_KEY, serverBinary, startServer } from "../lib/server.mjs";
import { FLAGS, openAdmin, row } from "./support.mjs";

const browser = await startBrowser({ after });

test("each environment has its own flags and events, and relayed flags are only looked at", async (t) => {
  const upstream = await startServer(t, { flags: FLAGS });
  const folder = tempDir(t);
  const configuration = {
    environments: {
      production: { upstream: upstream.url, "api-key": SERVER_KEY, "client-keys": ["p-client"] },
      staging: { flags: "staging.yaml", "client-keys": ["s-client"] },
    },
  };
  writeFileSync(join(folder, "flagwire.yaml"), JSON.stringify(configuration));
  writeFileSync(join(folder, "staging.yaml"), "flags:\n  only-here: true\n");
  const relay = await startService("flagwire-server", serverBinary(), ["--config", join(folder, "flagwire.yaml"), "--listen", "127.0.0.1:0"], {
    ready: /listening on http/,
  });
  atEnd(t, () => relay.stop());
  const url = /http:\/\/[\w.:[\]-]+/.exec(relay.readyLine)?.[0] ?? "";

  const page = await openAdmin(t, browser, url);
  await page.getByText(new RegExp(`These flags come from ${upstream.url}/? and are changed there`)).waitFor();
  assert.equal(await page.getByRole("switch", { name: "theme is on" }).isDisabled(), true);
  await page.getByRole("button", { name: "theme", exact: true }).click();
  assert.equal(await row(page, "theme").getByRole("button", { name: /Remove the override/ }).count(), 0);
  const refused = await fetch(`${url}/admin/flags/theme`, { method: "POST", headers: { "content-type": "application/json" }, body: '{"state":"off"}' });
  assert.equal(refused.status, 409);
  assert.match(/** @type {any} */ (await refused.json()).message, new RegExp(`the flags of \`production\` come from ${upstream.url}/?; change them there`));

  // What changes upstream arrives here.
  upstream.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true"));
  await page.getByRole("switch", { name: "dark-mode is on", checked: true }).waitFor();

  await page.getByRole("searchbox", { name: "Find a flag" }).fill("here");
  await page.getByRole("combobox", { name: "Environment" }).selectOption("staging");
  await page.getByRole("switch", { name: "only-here is on" }).click();
  await page.getByRole("switch", { name: "only-here is on", checked: false }).waitFor();
  assert.equal(await page.getByRole("searchbox", { name: "Find a flag" }).inputValue(), "here", "what was typed stays");
  await page.getByRole("link", { name: "Events" }).click();
  assert.equal(await page.locator(".event").getByText("dark-mode").count(), 0);
  await page.locator(".event").getByText("only-here").first().waitFor();

  // The address names the environment.
  await page.reload();
  await page.locator(".event").getByText("only-here").first().waitFor();
  assert.equal(await page.getByRole("combobox", { name: "Environment" }).inputValue(), "staging");
  await page.goto(`${url}/?environment=gone`);
  await page.getByText("There is no environment `gone`").waitFor();
  await page.getByRole("switch", { name: "theme is on" }).waitFor();
});
