// Flags and groups are added, edited and deleted on the server's page, in Chromium and against the real server.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { FLAGS, lowContrast, openAdmin, overflow, row } from "./support.mjs";

const browser = await startBrowser({ after });

/**
 * A client's stream: waits for an event about a flag or group.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string} url
 */
async function client(t, url) {
  const body = JSON.stringify({ apiKey: CLIENT_KEY, target: { identifier: "maya" } });
  const reply = await fetch(`${url}/client/auth`, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { authToken } = /** @type {{ authToken: string }} */ (await reply.json());
  const controller = new AbortController();
  atEnd(t, () => controller.abort());
  const stream = await fetch(`${url}/stream`, { headers: { authorization: `Bearer ${authToken}`, "api-key": CLIENT_KEY }, signal: controller.signal });
  const reader = /** @type {ReadableStream<Uint8Array>} */ (stream.body).getReader();
  const decoder = new TextDecoder();
  let text = "";
  return async (/** @type {string} */ event, /** @type {string} */ identifier) => {
    const has = () =>
      text.split("\n").some((line) => {
        if (!line.startsWith("data:")) return false;
        const data = JSON.parse(line.slice(5));
        return data.event === event && data.identifier === identifier;
      });
    for (;;) {
      // An event may arrive in parts.
      if (text.endsWith("\n\n") && has()) break;
      const { done, value } = await reader.read();
      if (done) throw new Error("the stream ended");
      text += decoder.decode(value, { stream: true });
    }
    text = "";
  };
}

/** @param {import("playwright-core").Page} page */
const dialog = (page) => page.getByRole("dialog");

/**
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
async function saved(page, text) {
  await page.locator("#toast").getByText(text).waitFor();
  await dialog(page).waitFor({ state: "detached" });
}

/**
 * Opens the form of a flag.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} flag
 */
async function edit(page, flag) {
  const button = page.getByRole("button", { name: `Edit ${flag}`, exact: true });
  if (!(await button.isVisible())) await page.getByRole("button", { name: flag, exact: true }).click();
  await button.click();
  await dialog(page).getByRole("heading", { name: `Edit flag ${flag}` }).waitFor();
}

test("a flag is added, gets a rule with shares and a prerequisite, and is deleted again", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  const heard = await client(t, server.url);

  await page.getByRole("button", { name: "New flag" }).click();
  const form = dialog(page);
  await form.getByLabel("Name", { exact: false }).first().fill("banner");
  await form.getByRole("combobox", { name: "Kind" }).selectOption("string");
  await form.getByRole("button", { name: "Add flag" }).click();
  await saved(page, "banner is there.");
  await heard("create", "banner");
  await row(page, "banner").waitFor();
  const added = "  banner:\n    variations:\n      first: one text\n      second: another\n    default: first\n";
  assert.equal(readFileSync(server.flagsFile, "utf8"), FLAGS.replace("groups:\n", `${added}groups:\n`));

  await edit(page, "banner");
  await form.getByRole("button", { name: "Add a rule" }).click();
  const rule = form.getByRole("group", { name: "Rule 1" });
  await rule.getByRole("button", { name: "Add a condition" }).waitFor();
  await rule.getByRole("textbox", { name: "Attribute" }).fill("plan");
  await rule.getByRole("textbox", { name: "Value, or one on each line" }).fill("gold");
  await rule.getByRole("combobox", { name: "Rule serves" }).selectOption({ label: "Shares in percent…" });
  await rule.getByRole("textbox", { name: "share of first in percent" }).fill("30");
  await rule.getByRole("textbox", { name: "share of second in percent" }).fill("60");
  await form.getByRole("button", { name: "Add a requirement" }).click();
  await form.getByRole("combobox", { name: "Flag that is required" }).selectOption("free-shipping");
  await form.getByRole("textbox", { name: "Variations that it must serve" }).fill("true");
  await form.getByRole("button", { name: "Save" }).click();
  // The server's sentence stands in the part that it is about, and what was typed is still there.
  await rule.getByRole("alert").getByText("make 90 %").waitFor();
  await rule.getByRole("textbox", { name: "share of second in percent" }).fill("70");
  await form.getByRole("button", { name: "Save" }).click();
  await saved(page, "banner is saved.");
  await heard("patch", "banner");
  const ruled = `${added}    requires: { free-shipping: true }\n    rules:\n      - when: { plan: gold }\n        serve: { first: 30, second: 70 }\n`;
  assert.equal(readFileSync(server.flagsFile, "utf8"), FLAGS.replace("groups:\n", `${ruled}groups:\n`));

  // What a flag needs is not deleted.
  await page.getByRole("button", { name: "free-shipping", exact: true }).click();
  await page.getByRole("button", { name: "Delete free-shipping" }).click();
  await dialog(page).getByRole("button", { name: "Delete flag" }).click();
  await dialog(page).getByRole("alert").getByText("require it").waitFor();
  await dialog(page).getByRole("button", { name: "Keep it" }).click();

  await page.getByRole("button", { name: "Delete banner" }).click();
  await dialog(page).getByText("2 variations, 1 rule, 1 requirement").waitFor();
  await dialog(page).getByRole("button", { name: "Delete flag" }).click();
  await saved(page, "banner is deleted.");
  await heard("delete", "banner");
  await row(page, "banner").waitFor({ state: "detached" });
  assert.equal(readFileSync(server.flagsFile, "utf8"), FLAGS);
});

test("an edit in the form changes nothing in the file but what was edited", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  await edit(page, "theme");
  const form = dialog(page);
  await form.getByRole("button", { name: "Move this rule down" }).first().click();
  await form.getByRole("textbox", { name: "Default: share of classic in percent" }).fill("50");
  await form.getByRole("textbox", { name: "Default: share of ocean in percent" }).fill("40");
  await form.getByRole("textbox", { name: "Targets, one on each line" }).fill("user-7\nmaya\nuser 42");
  await form.getByRole("button", { name: "Save" }).click();
  await saved(page, "theme is saved.");
  const first = "      - name: Staff first\n        when: { group: staff }\n        serve: sunset\n";
  const second = "      - when: { plan: [gold, platinum], country: DE }\n        serve: ocean\n";
  const expected = FLAGS.replace("{ classic: 60, ocean: 30, sunset: 10 }", "{ classic: 50, ocean: 40, sunset: 10 }").replace("[user-7, maya]", "[user-7, maya, user 42]").replace(first + second, second + first);
  assert.equal(readFileSync(server.flagsFile, "utf8"), expected);
});

test("groups are added, edited and deleted", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  const form = dialog(page);
  await page.getByRole("button", { name: "New group" }).click();
  await form.getByRole("textbox", { name: "Name", exact: false }).first().fill("beta");
  await form.getByRole("button", { name: "Add a rule" }).click();
  await form.getByRole("textbox", { name: "Attribute" }).fill("plan");
  await form.getByRole("textbox", { name: "Value, or one on each line" }).fill("gold");
  await form.getByRole("button", { name: "Add group" }).click();
  await saved(page, "beta is there.");
  const added = `${FLAGS}  beta:\n    rules: [{ plan: gold }]\n`;
  const text = readFileSync(server.flagsFile, "utf8");
  assert.ok(text.startsWith(FLAGS) && text.includes("beta:"), `${text}\n${added}`);

  await page.getByRole("button", { name: "Edit group staff" }).click();
  await form.getByRole("group", { name: "Always members" }).getByRole("textbox").fill("ada\ngrace");
  await form.getByRole("button", { name: "Save" }).click();
  await saved(page, "staff is saved.");
  assert.ok(readFileSync(server.flagsFile, "utf8").includes('staff: { include: [ada, grace], rules: [{ email: { ends-with: "@example.com" } }] }'));

  await page.getByRole("button", { name: "Delete group staff" }).click();
  await form.getByRole("button", { name: "Delete group" }).click();
  await form.getByRole("alert").getByText("flag `theme` names it").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Delete group beta" }).click();
  await form.getByRole("button", { name: "Delete group" }).click();
  await saved(page, "beta is deleted.");
  assert.equal(readFileSync(server.flagsFile, "utf8"), FLAGS.replace("[ada]", "[ada, grace]"));
});

test("nothing typed is lost when somebody else is faster, or when the dialog is left", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  const form = dialog(page);
  await edit(page, "theme");
  const description = form.getByRole("textbox", { name: "Description" });
  await description.fill("Mine");
  await page.keyboard.press("Escape");
  await form.getByText("is not saved").waitFor();
  await form.getByRole("button", { name: "Go on editing" }).click();
  server.editFlags((text) => text.replace("off: classic", "off: ocean"));
  await page.locator(".flag", { hasText: "theme" }).getByText("changed just now").waitFor();
  assert.equal(await description.inputValue(), "Mine");
  await form.getByRole("button", { name: "Save", exact: true }).click();
  await form.getByText("omebody else has changed the flag `theme` meanwhile").waitFor();
  await form.locator("pre").getByText('"off": "ocean"').waitFor();
  assert.equal(await description.inputValue(), "Mine");
  await form.getByRole("button", { name: "Save mine over it" }).click();
  await saved(page, "theme is saved.");
  assert.ok(readFileSync(server.flagsFile, "utf8").includes("description: Mine\n"));
  assert.ok(readFileSync(server.flagsFile, "utf8").includes("off: classic\n"));
});

test("what the form does not know is edited as JSON, and wrong JSON is said beside it", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  const form = dialog(page);
  await edit(page, "new-checkout");
  await form.getByRole("button", { name: "Edit as JSON" }).click();
  const text = form.getByRole("textbox", { name: "Definition as JSON" });
  const definition = JSON.parse(await text.inputValue());
  assert.deepEqual(definition, { default: { true: 30, false: 70 }, off: false, requires: { "free-shipping": true } });
  await text.fill("{");
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByRole("alert").getByText("This is not valid JSON").waitFor();
  await text.fill(JSON.stringify({ ...definition, owner: "web" }));
  await form.getByRole("button", { name: "Save" }).click();
  await saved(page, "new-checkout is saved.");
  assert.equal(readFileSync(server.flagsFile, "utf8"), FLAGS.replace("    requires: { free-shipping: true }\n", "    requires: { free-shipping: true }\n    owner: web\n"));
});

for (const scheme of /** @type {const} */ (["light", "dark"])) {
  test(`the form fits a narrow window and has enough contrast in the ${scheme} scheme`, async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const page = await openAdmin(t, browser, server.url);
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await edit(page, "theme");
    const pictures = process.env.PICTURES;
    for (const width of [360, 1440]) {
      await page.setViewportSize({ width, height: 900 });
      assert.equal(await overflow(page), 0);
      const inside = await dialog(page).evaluate((node) => node.scrollWidth - node.clientWidth);
      assert.equal(inside, 0, `the form at ${width} px`);
      assert.deepEqual((await lowContrast(page)).filter((text) => text.startsWith("only")), []);
      if (pictures) await page.screenshot({ path: `${pictures}/form-${scheme}-${width}.png` });
      if (pictures) {
        await dialog(page).evaluate((node) => node.scrollTo(0, 900));
        await page.screenshot({ path: `${pictures}/form-${scheme}-${width}-below.png` });
      }
    }
    const low = await lowContrast(page);
    assert.deepEqual(low, []);
  });
}
