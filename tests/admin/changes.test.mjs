// The changes on the server's page: who made them, what differs, undoing the last one, and what a reader may not do.

import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { tempDir } from "../lib/scope.mjs";
import { startServer } from "../lib/server.mjs";
import { FLAGS, openAdmin, row } from "./support.mjs";

const browser = await startBrowser({ after });

/** @param {import("playwright-core").Page} page */
const listed = (page) => page.locator("#changes > .change");

test("each change is listed as it happens, and the last one of a flag is undone by a press", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  await page.getByRole("combobox", { name: "Default variation of theme" }).selectOption("sunset");
  await page.locator("#toast").getByText("theme serves sunset by default").waitFor();
  await page.getByRole("link", { name: "Changes" }).click();
  const first = listed(page).filter({ hasText: "serves sunset by default" });
  await first.getByText("default: { classic: 60, ocean: 30, sunset: 10 }").waitFor();
  await first.getByText("by local").waitFor();
  assert.match(await first.innerText(), /−[^]*default: \{ classic: 60[^]*\+[^]*default: sunset/);

  // What is done to the file itself shows up without being asked for.
  server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true"));
  const byHand = listed(page).filter({ hasText: "dark-mode" });
  await byHand.getByText("in the file").waitFor();
  await page.getByRole("button", { name: "Undo the last change of dark-mode" }).click();
  await listed(page).filter({ hasText: "undid: default: true → false" }).or(listed(page).filter({ hasText: "undid: default: false → true" })).first().waitFor();
  await first.getByRole("button", { name: "Undo the last change of theme" }).press("Enter");
  await listed(page).filter({ hasText: "undid: serves sunset by default" }).waitFor();
  // One of each flag.
  await page.locator("#changes .undo").nth(2).waitFor({ state: "detached" });
  assert.equal(await page.locator("#changes .undo").count(), 2);
  assert.equal(readFileSync(server.flagsFile, "utf8"), FLAGS);
  assert.equal(await listed(page).count(), 4);

  // Only those of one flag, by its address.
  await page.locator("#changes-flag").fill("theme");
  await listed(page).nth(2).waitFor({ state: "detached" });
  assert.equal(await listed(page).count(), 2);
});

test("a flag's details have its last changes, and what cannot be undone is said there", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  await page.getByRole("switch", { name: "theme is on" }).click();
  await row(page, "theme").getByText("off, so everybody gets").waitFor();
  await page.getByRole("button", { name: "theme", exact: true }).click();
  const theme = row(page, "theme");
  const undo = theme.getByRole("button", { name: "Undo the last change of theme" });
  await undo.waitFor();
  // Somebody else breaks the file.
  server.editFlags((text) => text.replace("groups:", "groups: ["));
  await page.locator("#problem").waitFor();
  await undo.click();
  await theme.getByRole("alert").getByText("correct it first").waitFor();
  server.editFlags((text) => text.replace("groups: [", "groups:"));
  await page.locator("#problem").waitFor({ state: "hidden" });
  await undo.click();
  await theme.getByText("undid: off").waitFor();
  await page.getByRole("switch", { name: "theme is on", checked: true }).waitFor();
  assert.equal(readFileSync(server.flagsFile, "utf8"), FLAGS);
  // A line that cannot be read is left out, and said to be.
  appendFileSync(server.flagsFile.replace(/\.yaml$/, ".changes.jsonl"), "{ torn\n");
  await page.getByRole("link", { name: "Changes" }).click();
  await page.locator("#changes-summary").getByText("1 damaged line").waitFor();
  assert.equal(await listed(page).count(), 2);
});

test("a reader sees everything, and everything that would change something is disabled", async (t) => {
  const tokens = join(tempDir(t), "tokens");
  writeFileSync(tokens, "ana edit token-of-ana\nbo read token-of-bo\n", { mode: 0o600 });
  const server = await startServer(t, { flags: FLAGS, args: ["--admin-tokens-file", tokens] });
  const page = await openPage(t, browser, server.url);
  await page.locator("#token").fill("token-of-ana");
  await page.getByRole("button", { name: "Open" }).click();
  await page.locator("#user").getByText("ana").waitFor();
  await page.getByRole("switch", { name: "theme is on" }).click();
  await row(page, "theme").getByText("off, so everybody gets").waitFor();
  await page.getByRole("link", { name: "Changes" }).click();
  await listed(page).getByText("by ana").waitFor();
  assert.equal(await page.getByRole("button", { name: "Undo the last change of theme" }).isEnabled(), true);

  const reader = await openPage(t, browser, server.url);
  await reader.locator("#token").fill("token-of-bo");
  await reader.getByRole("button", { name: "Open" }).click();
  await reader.locator("#user").getByText("bo").waitFor();
  await reader.getByText("Your token, bo, may read, not edit").waitFor();
  assert.equal(await reader.locator("#flags .switch:enabled, #flags select:enabled").count(), 0);
  await reader.getByRole("link", { name: "Changes" }).click();
  const undo = reader.getByRole("button", { name: "Undo the last change of theme" });
  await undo.waitFor();
  assert.deepEqual([await undo.isDisabled(), await undo.getAttribute("title")], [true, "Your token, bo, may read, not edit."]);
});
