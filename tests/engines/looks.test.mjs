// The example shop and the server's page are drawn in each engine: nothing is wider than the window, no choice is cut off, and the colours are
// those of the scheme that the user prefers. `SCREENSHOTS` names a folder for pictures to look at.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { startEngines } from "../lib/engines.mjs";
import { serveExample } from "../lib/example.mjs";
import { startServer } from "../lib/server.mjs";

const FLAGS = `flags:
  dark-mode: false
  theme:
    description: The look of the shop
    variations: { classic: classic, ocean: ocean, sunset: sunset }
    default: { classic: 60, ocean: 30, sunset: 10 }
    off: classic
    targets: { ocean: [user-7, maya] }
    rules: [{ name: Staff first, when: { group: staff }, serve: sunset }]
  new-checkout:
    default: { true: 30, false: 70 }
    off: false
groups:
  staff: { include: [ada] }
`;
const scope = { after };
const shop = await serveExample(scope, (await startServer(scope)).url);
const { url: admin } = await startServer(scope, { flags: FLAGS });

/** What is wrong with how the page is drawn. Runs in the page. */
function wrong() {
  const { scrollWidth } = document.documentElement;
  const wide = scrollWidth > innerWidth ? [`the page is ${scrollWidth} px wide`] : [];
  const cut = [...document.querySelectorAll("select")].filter((select) => select.checkVisibility()).flatMap((select) => {
    const free = /** @type {HTMLSelectElement} */ (select.cloneNode());
    free.style.width = "auto";
    free.append(new Option(select.options[select.selectedIndex]?.text));
    select.after(free);
    const wanted = free.offsetWidth;
    free.remove();
    return wanted > select.offsetWidth ? [`“${select.options[select.selectedIndex]?.text}” takes ${wanted} px of ${select.offsetWidth}`] : [];
  });
  return [...wide, ...cut];
}

/** How light the page's ground is, from 0 to 255. Runs in the page. */
function ground() {
  const colours = [document.body, document.documentElement].map((element) => (getComputedStyle(element).backgroundColor.match(/[\d.]+/g) ?? []).map(Number));
  const [r = 255, g = 255, b = 255] = colours.find(([, , , alpha = 1]) => alpha > 0) ?? [];
  return (r + g + b) / 3;
}

for (const scheme of /** @type {const} */ (["light", "dark"])) {
  test(`the example and the server's page are drawn, ${scheme}`, async (t) => {
    for (const engine of await startEngines(t, { scheme })) {
      for (const [name, url, there] of [["shop", shop, '.state[data-status="ready"]'], ["admin", admin, ".flag"]]) {
        const page = await engine.open(t, url ?? "");
        await page.until(`${there} in ${engine.name}`, (there) => document.querySelector(there ?? "") !== null, there);
        await page.evaluate(() => document.querySelectorAll(/** @type {"button"} */ (".flag .open")).forEach((open) => open.click()));
        // WebKit's window is at least 447 px wide.
        for (const width of [360, 1280]) {
          await page.resize(width, 900);
          const what = `${name} in ${engine.name}, ${scheme}, ${width} px`;
          assert.deepEqual(await page.evaluate(wrong), [], what);
          const picture = await page.screenshot();
          assert.deepEqual([...picture.subarray(1, 4)], [...Buffer.from("PNG")], what);
          if (process.env.SCREENSHOTS) writeFileSync(join(process.env.SCREENSHOTS, `${name}-${engine.name}-${scheme}-${width}.png`), picture);
        }
        // The shop's scheme is a flag's.
        if (name === "admin") assert.equal(await page.evaluate(ground) > 128, scheme === "light", `${name} in ${engine.name}, ${scheme}`);
      }
    }
  });
}
