// The line on the page that says which of two sources serves, and the way to the other one.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { tempDir } from "../lib/scope.mjs";
import { SERVER_KEY, startServer } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { FLAGS, lowContrast, openAdmin, overflow, row } from "./support.mjs";

const browser = await startBrowser({ after });

/**
 * The page of a relay, with a flags file that may take over.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string} text of the file
 */
async function openRelay(t, text) {
  const origin = await startServer(t, { flags: FLAGS });
  const directory = tempDir(t);
  const file = join(directory, "flags.yaml");
  writeFileSync(file, text);
  const server = await startServer(t, { args: ["--upstream", origin.url, "--api-key", SERVER_KEY, "--takeover", file, "--state-dir", join(directory, "state")] });
  await until("the relay to be ready", async () => (await fetch(`${server.url}/ready`)).ok);
  const page = await openAdmin(t, browser, server.url);
  const press = (/** @type {string} */ name) => page.getByRole("button", { name, exact: true }).click();
  return { origin, server, file, page, press };
}

test("the file takes over from the page, and the page goes back", async (t) => {
  const { page, press, origin, file } = await openRelay(t, FLAGS);
  const line = page.locator("#takeover-serves");
  assert.match(await line.innerText(), /^Flags are relayed from http:.* can take over\.$/);
  await press("Let the file take over …");
  await page.getByText(/: 0 differences\./).waitFor();
  await press("Cancel");
  await press("Let the file take over …");
  await press("Take over");
  await line.getByText("It took over from").waitFor();
  await page.locator("#source").getByText(file).waitFor();
  // It is edited here from now on.
  await row(page, "dark-mode").getByRole("switch").click();
  await until("the file to be changed", () => readFileSync(file, "utf8") !== FLAGS);
  await press("Go back to the upstream …");
  await press("Go back");
  await line.getByText("Flags are relayed from").waitFor();
  await page.locator("#source").getByText(origin.url).waitFor();
});

test("what differs is shown, with the walk on both sides, and confirmed", async (t) => {
  const { page, press } = await openRelay(t, FLAGS.replace("dark-mode: false", "dark-mode: true"));
  await press("Let the file take over …");
  await page.getByText("1 flag serves somebody something else in the file: dark-mode.").waitFor();
  await page.getByText("The first differences").click();
  await page.getByText("serves `true`, the boolean true").first().waitFor();
  for (const scheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    assert.deepEqual(await lowContrast(page), [], scheme);
  }
  for (const width of [1440, 360, 320]) {
    await page.setViewportSize({ width, height: 900 });
    assert.equal(await overflow(page), 0, String(width));
  }
  await press("Take over all the same");
  await page.locator("#takeover-serves").getByText("It took over from").waitFor();
});

test("mistakes in the file are said, and it does not take over", async (t) => {
  const { page, press } = await openRelay(t, "flags: { a: { defualt: 1 } }\n");
  await press("Let the file take over …");
  await page.getByText(/flags\.yaml:1:\d+: .*defualt/).waitFor();
  assert.equal(await page.getByRole("button", { name: /^Take over/ }).count(), 0);
});

test("where there is one source, there is no such line", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  assert.equal(await page.locator("#takeover").isVisible(), false);
});
