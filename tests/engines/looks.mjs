import { after, test } from "node:test";
import { writeFileSync, mkdirSync } from "node:fs";
import { startEngine } from "../lib/engines.mjs";
import { serveExample } from "../lib/example.mjs";
import { startServer } from "../lib/server.mjs";
import { FLAGS } from "../admin/support.mjs";
mkdirSync("/tmp/eng-shots", { recursive: true });
for (const scheme of ["light", "dark"]) for (const name of ["chromium", "firefox", "webkit"]) {
  test(`${name} ${scheme}`, async (t) => {
    const engine = await startEngine(t, name, { scheme });
    const shop = await startServer(t, {});
    const admin = await startServer(t, { flags: FLAGS });
    const pages = { shop: await serveExample(t, shop.url), admin: admin.url };
    for (const [what, url] of Object.entries(pages)) {
      const page = await engine.open(t, url);
      await page.until("x", () => document.querySelector('.state[data-status="ready"], .flag'));
      await page.evaluate(() => { document.querySelectorAll(".flag .open").forEach((b, i) => i > 1 && b.click()); });
      for (const width of [360, 1280]) {
        await page.resize(width, 1000);
        console.log(name, scheme, what, width, await page.evaluate(() => [innerWidth, innerHeight, document.documentElement.scrollWidth]));
        writeFileSync(`/tmp/eng-shots/${what}-${name}-${scheme}-${width}.png`, await page.screenshot());
      }
    }
  });
}
