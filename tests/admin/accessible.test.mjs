// That axe finds nothing to object to, in any view, at the width of a phone and of a desk, in both colour schemes, with a few
// flags opened and with five hundred.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { everything } from "../lib/everything.mjs";
import { startServer } from "../lib/server.mjs";
import { FLAGS, connect, openAdmin, visit } from "./support.mjs";

const browser = await startBrowser({ after });
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Each rule of axe that is about pages of this kind, those for best practice and for WCAG 2.2 among them. */
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/**
 * What axe objects to, each as `rule: element`.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<string[]>}
 */
function objections(page) {
  return page.evaluate(async (tags) => {
    // Elements that leave the screen on their way in would be measured half-way.
    await Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {})));
    // @ts-expect-error axe is put into the page as a script
    const { violations } = await window.axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] });
    return violations.flatMap((/** @type {any} */ rule) => rule.nodes.slice(0, 3).map((/** @type {any} */ node) => `${rule.id} (${rule.nodes.length}): ${node.html.slice(0, 160)}`));
  }, TAGS);
}

/** Many flags of every kind, after those with rules, shares and targets. */
function many() {
  const flags = Array.from({ length: 496 }, (_, at) => `  flag-${at}: { default: ${at % 2 === 0}, state: ${at % 3 === 0 ? "off" : "on"}, rules: [{ when: { plan: p${at} }, serve: true }] }\n`);
  return FLAGS.replace("groups:", `${flags.join("")}groups:`);
}

for (const [width, height] of /** @type {const} */ ([[360, 740], [1280, 900]])) {
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    test(`axe objects to nothing at ${width} px in the ${colorScheme} scheme`, async (t) => {
      const about = "description: The look of the shop\n    owner: the shop's team\n    tags: [looks, shop]\n    metadata: { ticket: SHOP-7 }";
      const server = await startServer(t, { flags: FLAGS.replace("description: The look of the shop", about) });
      const page = await openAdmin(t, browser, server.url);
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.evaluate(axe);
      await connect(t, server.url, "maya@example.com");
      server.editFlags((text) => text.replace("dark-mode: false", "dark-mode: true").replace("default: false", "default: true"));
      await page.locator(".stamps").first().waitFor();
      for (const view of ["flags", "why", "changes", "streams", "events"]) {
        await visit(page, view);
        assert.deepEqual(await objections(page), [], view);
      }
      await page.locator('nav a[href="#flags"]').click();
      for (const [name, leave] of [["Edit theme", "Cancel"], ["Delete theme", "Keep it"], ["New group", "Cancel"]]) {
        await page.getByRole("button", { name, exact: true }).click();
        await page.getByRole("dialog").waitFor();
        assert.deepEqual(await objections(page), [], name);
        await page.getByRole("dialog").getByRole("button", { name: leave, exact: true }).click();
        await page.getByRole("dialog").waitFor({ state: "detached" });
      }
      server.editFlags((text) => text.replace("default: {", "default: ["));
      await page.locator("#problem").waitFor();
      assert.deepEqual(await objections(page), [], "with a problem");
    });

    // Long, and what depends on width and scheme is tested with few flags.
    if (!everything && !(width === 1280 && colorScheme === "light")) continue;
    test(`axe objects to nothing at ${width} px in the ${colorScheme} scheme with five hundred flags`, async (t) => {
      const server = await startServer(t, { flags: many() });
      const page = await openAdmin(t, browser, server.url);
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.evaluate(axe);
      assert.equal(await page.locator(".flag").count(), 500);
      assert.deepEqual(await objections(page), [], "flags");
      await page.locator('nav a[href="#why"]').click();
      await page.locator("#why-identifier").fill("maya");
      await page.getByRole("button", { name: "Explain" }).click();
      await page.locator(".result").nth(499).waitFor({ state: "attached" });
      assert.deepEqual(await objections(page), [], "why");
    });
  }
}
