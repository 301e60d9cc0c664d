// The server's page in Chromium, against the real server: what it shows, and what can be changed there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { SERVER_KEY, startServer } from "../lib/server.mjs";
import { FLAGS, connect, openAdmin, row } from "./support.mjs";

const browser = await startBrowser({ after });

test("a switch and a default are changed, and the file keeps its comments", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  // The switch is the state of every flag; what it serves stands beside it.
  const value = page.getByRole("combobox", { name: "Default variation of dark-mode" });
  assert.equal(await value.inputValue(), "false");
  await value.selectOption("true");
  await page.locator("#toast").getByText("dark-mode serves true by default").waitFor();
  let expected = FLAGS.replace("dark-mode: false", "dark-mode: true");
  assert.equal(readFileSync(server.flagsFile, "utf8"), expected);
  await page.getByRole("switch", { name: "dark-mode is on", checked: true }).click();
  await page.getByRole("switch", { name: "dark-mode is on", checked: false }).waitFor();
  await row(page, "dark-mode").getByText("off, so everybody gets false").waitFor();
  assert.equal(readFileSync(server.flagsFile, "utf8"), expected.replace("dark-mode: true", "dark-mode: { value: true, state: off }"));
  await page.getByRole("switch", { name: "dark-mode is on", checked: false }).click();
  await page.getByRole("switch", { name: "dark-mode is on", checked: true }).waitFor();
  assert.equal(readFileSync(server.flagsFile, "utf8"), expected, "nothing is left of the two switches");

  await page.getByRole("combobox", { name: "Default variation of theme" }).selectOption("sunset");
  await page.locator("#toast").getByText("theme serves sunset by default").waitFor();
  expected = expected.replace("default: { classic: 60, ocean: 30, sunset: 10 }", "default: sunset");
  assert.equal(readFileSync(server.flagsFile, "utf8"), expected);

  await page.getByRole("switch", { name: "theme is on" }).click();
  await row(page, "theme").getByText("off, so everybody gets").waitFor();
  await page.getByRole("button", { name: "theme", exact: true }).click();
  await page.getByRole("combobox", { name: "Variation of theme while it is off" }).selectOption("ocean");
  await page.locator("#toast").getByText("theme serves ocean while off").waitFor();
  assert.match(readFileSync(server.flagsFile, "utf8"), /\n {4}off: ocean\n/);
  await server.line(/changed from the admin page.*"by":"127\.0\.0\.1"|"by":"127\.0\.0\.1".*changed from the admin page/);
});

test("a target gets a variation of its own and loses it again", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  await page.getByRole("button", { name: "theme", exact: true }).click();
  const theme = row(page, "theme");
  const target = page.getByRole("textbox", { name: "Target that gets its own variation of theme" });

  await theme.getByRole("button", { name: "Add override" }).click();
  await theme.getByRole("alert").getByText("Say which target").waitFor();
  await target.fill("user 42");
  await page.getByRole("combobox", { name: "Variation of theme for this target" }).selectOption("sunset");
  await target.press("Enter");
  await theme.getByRole("button", { name: "Remove the override of user 42" }).waitFor();
  assert.equal(await target.inputValue(), "");
  assert.equal(readFileSync(server.flagsFile, "utf8"), FLAGS.replace("[user-7, maya] }", '[user-7, maya], sunset: ["user 42"] }'));

  await theme.getByRole("button", { name: "Remove the override of user 42" }).click();
  await theme.getByRole("button", { name: "Remove the override of user 42" }).waitFor({ state: "detached" });
  assert.equal(readFileSync(server.flagsFile, "utf8"), FLAGS);

  // A flag that was written as a value is one again.
  await page.getByRole("button", { name: "dark-mode", exact: true }).click();
  await page.getByRole("textbox", { name: "Target that gets its own variation of dark-mode" }).fill("maya");
  await row(page, "dark-mode").getByRole("button", { name: "Add override" }).click();
  await row(page, "dark-mode").getByRole("button", { name: "Remove the override of maya" }).click();
  await row(page, "dark-mode").getByRole("button", { name: "Remove the override of maya" }).waitFor({ state: "detached" });
  assert.equal(readFileSync(server.flagsFile, "utf8"), FLAGS);
});

test("what cannot be done is said where it was tried, and nothing typed is lost", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  await page.getByRole("button", { name: "theme", exact: true }).click();
  const target = page.getByRole("textbox", { name: "Target that gets its own variation of theme" });
  await target.fill("user-42");

  // Somebody else breaks the file, then changes it for good.
  server.editFlags((text) => text.replace("default: {", "default: ["));
  await page.locator("#problem").getByText("The last good version stays in force").waitFor();
  await target.press("Enter");
  await row(page, "theme").getByRole("alert").getByText(/mistake at/).waitFor();
  assert.equal(await target.inputValue(), "user-42");
  server.editFlags((text) => text.replace("default: [", "default: {").replace("The look of the shop", "Its look").replace("off: classic", "off: ocean"));
  await row(page, "theme").getByText("Its look", { exact: true }).waitFor();
  await page.locator("#problem").waitFor({ state: "hidden" });
  assert.equal(await target.inputValue(), "user-42", "a change from elsewhere takes nothing away");

  await server.stop();
  await page.locator("#live-text").getByText("Reconnecting").waitFor();
  await page.getByRole("switch", { name: "dark-mode is on" }).click();
  await row(page, "dark-mode").getByRole("alert").getByText("cannot be reached").waitFor();
  assert.equal(await page.getByRole("switch", { name: "dark-mode is on" }).getAttribute("aria-checked"), "true");
  await server.start();
  await page.locator("#live-text").getByText("Live").waitFor();
  await target.press("Enter");
  await row(page, "theme").getByRole("button", { name: "Remove the override of user-42" }).waitFor();
});

test("flags are found by name, rule, target and value, and filtered by state and kind", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  const visible = () => page.locator(".flag:visible .flag-name").allTextContents();
  const search = page.getByRole("searchbox", { name: "Find a flag" });
  for (
    const [text, flags] of /** @type {[string, string[]][]} */ ([
      ["MAYA", ["theme"]],
      ["plan", ["free-shipping", "theme"]],
      ["sunset", ["theme"]],
      ["checkout", ["new-checkout"]],
      ["new checkout", ["new-checkout"]],
      ["Checkout  new", ["new-checkout"]],
      ["look of", ["theme"]],
      ["nothing like it", []],
    ])
  ) {
    await search.fill(text);
    assert.deepEqual(await visible(), flags, text);
  }
  await page.getByRole("button", { name: "Show all flags" }).click();
  await page.getByRole("combobox", { name: "State" }).selectOption("off");
  assert.deepEqual(await visible(), []);
  server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: { value: false, state: off }"));
  await page.getByRole("switch", { name: "dark-mode is on", checked: false }).waitFor();
  assert.deepEqual(await visible(), ["dark-mode"]);
  await page.getByRole("combobox", { name: "State" }).selectOption("");
  await page.getByRole("combobox", { name: "Kind" }).selectOption("string");
  assert.deepEqual(await visible(), ["theme"]);
  assert.equal(await page.locator("#summary").textContent(), "1 of 4 flags");
});

test("flags are sorted by name, state, last change and last read", async (t) => {
  const server = await startServer(t, { flags: FLAGS.replace("default: false\n    rules", "state: off\n    default: false\n    rules") });
  const page = await openAdmin(t, browser, server.url);
  const order = () => page.locator(".flag .flag-name").allTextContents();
  const sort = page.getByRole("combobox", { name: "Sort by" });
  assert.deepEqual(await order(), ["dark-mode", "free-shipping", "new-checkout", "theme"]);
  await sort.selectOption("state");
  assert.deepEqual(await order(), ["dark-mode", "new-checkout", "theme", "free-shipping"]);

  server.editFlags((text) => text.replace("The look of the shop", "Its look"));
  await row(page, "theme").getByText("changed just now").waitFor();
  await sort.selectOption("changed");
  assert.deepEqual(await order(), ["theme", "dark-mode", "free-shipping", "new-checkout"]);

  const { authToken } = await connect(t, server.url, "maya");
  const attributes = Object.entries({ featureIdentifier: "new-checkout", variationIdentifier: "false" }).map(([key, value]) => ({ key, value }));
  const body = JSON.stringify({ metricsData: [{ timestamp: Date.now(), count: 1, metricsType: "FFMETRICS", attributes }] });
  const reported = await fetch(`${server.url}/metrics/development`, { method: "POST", headers: { authorization: `Bearer ${authToken}` }, body });
  assert.equal(reported.status, 200);
  await page.reload();
  await row(page, "new-checkout").getByText("read just now").waitFor();
  await sort.selectOption("read");
  assert.deepEqual(await order(), ["new-checkout", "dark-mode", "free-shipping", "theme"]);
});

test("the tab of the flags leads to the top, with the search in sight", async (t) => {
  const flags = Array.from({ length: 40 }, (_, at) => `  flag-${at}: true\n`).join("");
  const server = await startServer(t, { flags: `flags:\n${flags}` });
  const page = await openAdmin(t, browser, server.url);
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await page.locator('nav a[href="#why"]').click();
  await page.locator('nav a[href="#flags"]').click();
  await page.waitForFunction(() => scrollY === 0);
  const hit = await page.getByRole("searchbox", { name: "Find a flag" }).evaluate((node) => {
    const { x, y, width, height } = node.getBoundingClientRect();
    return document.elementFromPoint(x + width / 2, y + height / 2) === node;
  });
  assert.equal(hit, true, "nothing lies over the search");
});

test("flags that an upstream has lost are kept until somebody takes them out", async (t) => {
  const origin = await startServer(t, { flags: "flags: { a: true, b: true }\n" });
  const relay = await startServer(t, { args: ["--upstream", origin.url, "--api-key", SERVER_KEY] });
  const page = await openAdmin(t, browser, relay.url);
  await page.locator("#summary").getByText("2 flags").waitFor();
  origin.editFlags(() => "flags: {}\n");
  await page.locator("#problem").getByText("suddenly lacks 2 of 2 flags").waitFor();
  assert.equal(await page.locator("#summary").textContent(), "2 flags");
  await page.getByRole("button", { name: "Take it out now" }).click();
  await page.locator("#doubt").waitFor({ state: "hidden" });
  await page.locator("#summary").getByText("0 flags").waitFor();
  await page.locator("#problem").waitFor({ state: "hidden" });
});

test("an evaluation is walked step by step, also for required flags and for all flags", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  await page.getByRole("button", { name: "theme", exact: true }).click();
  await page.getByRole("link", { name: "Why does a target get what it gets?" }).click();
  assert.equal(await page.getByRole("combobox", { name: "Flag" }).inputValue(), "theme");
  await page.getByRole("textbox", { name: "Identifier" }).fill("user-42");
  await page.getByRole("textbox", { name: "Attribute" }).fill("plan");
  await page.getByRole("textbox", { name: "Value" }).fill("gold");
  await page.getByRole("button", { name: "Explain" }).click();
  const steps = page.locator(".walk > .steps > .step-line > .step-text");
  await steps.nth(5).waitFor();
  const told = (await steps.allTextContents()).map((text) => text.replace(/\s+/g, " "));
  assert.match(told[0] ?? "", /^The flag is on/);
  assert.match(told[1] ?? "", /^Override for ocean: user-42 is not named/);
  assert.match(told[2] ?? "", /^Rule 1 “Staff first” does not apply.*group staff: not a member.*email ends with @example.com – the target has no email/);
  assert.match(told[3] ?? "", /^Rule 2 does not apply.*plan is one of gold or platinum – it is gold.*country is DE – the target has no country/);
  // The bucket of this identifier is fixed by the protocol.
  assert.match(told[4] ?? "", /^Shares: identifier:user-42 falls into bucket 19 of 100, and 1 to 60 is classic/);
  assert.match(told[5] ?? "", /^So it gets classic, which is classic/);

  await page.getByRole("combobox", { name: "Flag" }).fill("new-checkout");
  await page.getByRole("button", { name: "Explain" }).click();
  await page.getByText("It requires free-shipping to serve true; it serves true.").waitFor();
  await page.getByText("How free-shipping came to that").click();
  await page.locator(".nested .step-line").getByText("applies: all its conditions hold").waitFor();

  // Flags that change meanwhile are explained again.
  server.editFlags((text) => text.replace("plan: gold", "plan: silver"));
  await page.getByText("it serves false. So the off variation is served.").waitFor();

  await page.getByRole("combobox", { name: "Flag" }).fill("");
  await page.getByRole("button", { name: "Explain" }).click();
  await page.locator("#why-summary").getByText("gets this of 4 flags").waitFor();
  await page.getByRole("button", { name: "free-shipping" }).click();
  const result = page.locator(".result").filter({ has: page.getByRole("button", { name: "free-shipping" }) });
  await result.locator(".step-line").getByText("Nothing else applies, so the default is served").waitFor();
});

test("the form of a target goes to JSON and back, and says what is wrong at the field", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  await page.getByRole("link", { name: "Why", exact: true }).click();
  await page.getByRole("button", { name: "Explain" }).click();
  const mistake = page.locator("#why-mistake");
  assert.match(String(await mistake.textContent()), /Say which target/);
  const identifier = page.getByRole("textbox", { name: "Identifier" });
  assert.equal(await identifier.getAttribute("aria-invalid"), "true");
  assert.equal(await identifier.evaluate((node) => node === document.activeElement), true);

  await identifier.fill("user-42");
  await page.getByRole("textbox", { name: "Attribute" }).fill("age");
  await page.getByRole("textbox", { name: "Value" }).fill("many");
  await page.getByRole("combobox", { name: "Type of the value" }).selectOption("number");
  await page.getByRole("button", { name: "Explain" }).click();
  assert.match(String(await mistake.textContent()), /“many” is no number/);
  await page.getByRole("textbox", { name: "Value" }).fill("42");
  await page.getByRole("button", { name: "Edit as JSON" }).click();
  const json = page.getByRole("textbox", { name: "Target as JSON" });
  assert.deepEqual(JSON.parse(await json.inputValue()), { identifier: "user-42", attributes: { age: 42 } });

  await json.fill('{ "identifier": "u", ');
  await page.getByRole("button", { name: "Edit as JSON" }).click();
  assert.match(String(await mistake.textContent()), /not valid JSON/);
  assert.equal(await json.inputValue(), '{ "identifier": "u", ');
  await json.fill('{ "identifier": "u", "attributes": { "beta": true, "teams": ["a"] } }');
  await page.getByRole("button", { name: "Edit as JSON" }).click();
  assert.equal(await identifier.inputValue(), "u");
  assert.deepEqual(await page.locator(".attribute-row select").evaluateAll((list) => list.map((one) => /** @type {HTMLSelectElement} */ (one).value)), ["boolean", "json"]);
});

test("streams show up as they are opened and go as they are closed", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  await page.getByRole("link", { name: /^Streams/ }).click();
  await page.getByText("No stream is open").waitFor();
  const maya = await connect(t, server.url, "maya@example.com");
  await connect(t, server.url, "user-7");
  await page.getByRole("row", { name: /maya@example\.com fetch .* 127\.0\.0\.1/ }).waitFor();
  await page.getByRole("row", { name: /user-7/ }).waitFor();
  assert.equal(await page.locator("#streams-count").textContent(), "2");
  assert.equal((await page.content()).includes(maya.authToken), false);
  await page.getByRole("searchbox", { name: "Find a stream" }).fill("MAYA");
  await page.getByRole("row", { name: /user-7/ }).waitFor({ state: "detached" });
  maya.end();
  await page.getByText("No stream matches").waitFor();
});

test("what happens shows up as it happens, and again after a reload", async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const page = await openAdmin(t, browser, server.url);
  await page.getByRole("link", { name: "Events" }).click();
  await page.getByText("Nothing has changed yet").waitFor();
  server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true"));
  await page.getByRole("log").getByText("default: false → true").waitFor();
  server.editFlags((text) => text.replace("dark-mode: true", "dark-mode: ["));
  await page.getByRole("log").getByText("cannot be read; the last good flags are still served").waitFor();
  server.editFlags((text) => text.replace("dark-mode: [", "dark-mode: true"));
  await page.getByRole("log").getByText("is live again").waitFor();
  await page.reload();
  await page.getByRole("log").getByText("is live again").waitFor();
  assert.deepEqual((await page.locator(".event .headline").allInnerTexts()).length, 3);
});

test("the page asks for the admin token, and says when it is wrong", async (t) => {
  const server = await startServer(t, { flags: FLAGS, args: ["--admin-token", "open-sesame-please"] });
  const page = await openPage(t, browser, server.url);
  const token = page.getByLabel("This server asks for its admin token.");
  await token.fill("swordfish");
  await page.getByRole("button", { name: "Open" }).click();
  await page.locator("#token-mistake").getByText("no admin token of this server").waitFor();
  await token.fill("open-sesame-please");
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("switch", { name: "dark-mode is on" }).waitFor();
  await page.locator("#token-form").waitFor({ state: "hidden" });
  await server.line(/refused at the admin page/);
  assert.equal(server.lines.some((line) => line.includes("sesame") || line.includes("swordfish")), false, "tokens are not logged");
});
