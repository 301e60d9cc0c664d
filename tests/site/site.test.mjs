// The documentation site, built as `npm run docs -- build` builds it: each link, anchor and picture is there, the navigation has every
// page, search finds, and the playground runs.

import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join, posix, relative } from "node:path";
import { after, test } from "node:test";
import { linked } from "../../docs/site/lib/navigation.mjs";
import { root } from "../../scripts/lib/paths.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { filesOf, serveFiles } from "../lib/files.mjs";

const dist = join(root, "docs", "site", "dist");
rmSync(dist, { recursive: true, force: true });
const { code, output } = await run(process.execPath, [join(root, "scripts", "docs.mjs"), "build"], { cwd: root });
assert.equal(code, 0, output);

const browser = await startBrowser({ after });
const site = await serveFiles({ after }, dist);

/** Paths below the site, with `/` before them. */
const files = new Set(filesOf(dist).map((path) => `/${relative(dist, path).replaceAll("\\", "/")}`));
const pages = [...files].filter((path) => path.endsWith(".html") && path !== "/404.html");
const text = new Map(pages.map((path) => [path, readFileSync(join(dist, path), "utf8")]));
const anchors = new Map(pages.map((path) => [path, new Set([...(text.get(path) ?? "").matchAll(/ (?:id|name)="([^"]+)"/g)].map(([, id]) => decode(String(id))))]));

/** The file of an address, if the site has it. @param {string} path @returns {string | undefined} */
const fileOf = (path) => [path, `${path}.html`, posix.join(path, "index.html")].find((one) => files.has(one));

/** @param {string} html */
function decode(html) {
  return html.replaceAll("&amp;", "&").replaceAll("&#39;", "'").replaceAll("&quot;", '"');
}

test("each link of each page leads to a page, and to a heading of it", () => {
  /** @type {string[]} */
  const dead = [];
  let seen = 0;
  for (const page of pages) {
    for (const [, written = ""] of (text.get(page) ?? "").matchAll(/<a\b[^>]* href="([^"]*)"/g)) {
      const url = new URL(decode(written), `https://site.test${page}`);
      if (url.host !== "site.test") continue;
      seen += 1;
      const file = fileOf(decodeURIComponent(url.pathname));
      const anchor = decodeURIComponent(url.hash.slice(1));
      if (!file || (anchor !== "" && !anchors.get(file)?.has(anchor))) dead.push(`${page} → ${written}`);
    }
  }
  assert.ok(pages.length > 30 && seen > 1_000, `${pages.length} pages, ${seen} links`);
  assert.deepEqual([...new Set(dead)], []);
});

test("each link to the repository's host is to a file that is there", () => {
  const { repository } = JSON.parse(readFileSync(join(root, "pkg-template", "package.json"), "utf8"));
  const host = repository.url.replace(/^git\+|\.git$/g, "");
  /** @type {string[]} */
  const dead = [];
  let seen = 0;
  for (const page of pages) {
    for (const [, kind, path = ""] of (text.get(page) ?? "").matchAll(new RegExp(`href="${host}/(blob|tree|edit)/main/([^"#?]+)`, "g"))) {
      seen += 1;
      // The reference of the API is made of the package's types, which its edit link cannot name.
      if (!existsSync(join(root, path)) && kind !== "edit") dead.push(`${page} → ${path}`);
    }
  }
  assert.ok(seen > 50, `${seen}`);
  assert.deepEqual([...new Set(dead)], []);
});

test("each picture is there, and says in words what it shows", () => {
  let seen = 0;
  for (const page of pages) {
    for (const [image, attributes = ""] of (text.get(page) ?? "").matchAll(/<img\b([^>]*)>/g)) {
      const source = decode(/ src="([^"]*)"/.exec(attributes)?.[1] ?? "");
      seen += 1;
      assert.ok(source.startsWith("data:") || files.has(new URL(source, `https://site.test${page}`).pathname), `${page}: ${image}`);
      assert.match(attributes, / alt="[^"]{10,}"/, `${page}: ${image}`);
    }
  }
  assert.ok(seen >= 7, `${seen}`);
});

test("the navigation leads to every page, and programs get each as Markdown", () => {
  const list = readFileSync(join(dist, "llms.txt"), "utf8");
  for (const link of linked) {
    assert.ok(fileOf(link), `the navigation leads to ${link}, which is not there`);
    const markdown = `${link.endsWith("/") ? `${link}index` : link}.md`;
    assert.ok(files.has(markdown) && list.includes(`(${markdown})`), `${markdown} is missing`);
  }
  // The entries of the API are listed by a page of their own.
  const missing = pages.map((page) => page.replace(/(?:index)?\.html$/, "")).filter((page) => page !== "/" && !page.startsWith("/reference/api/") && !linked.has(page));
  assert.deepEqual(missing, []);
});

test("search finds a page by a word in it", async (t) => {
  const page = await openPage(t, browser, `${site}/guides/getting-started.html`);
  await page.getByRole("button", { name: "Search" }).first().click();
  await page.getByRole("searchbox").fill("kill switch");
  await page.getByRole("listbox").getByText("A kill switch").first().waitFor();
});

test("on a phone no page is wider than the screen, in dark and in light", async (t) => {
  for (const colorScheme of /** @type {const} */ (["dark", "light"])) {
    const context = await browser.newContext({ viewport: { width: 360, height: 780 }, colorScheme });
    t.after(() => context.close());
    const page = await context.newPage();
    for (const path of ["index", "guides/react", "guides/testing", "OPERATIONS", "reference/client", "reference/api/index", "playground", "pictures"]) {
      await page.goto(`${site}/${path}.html`);
      await page.locator("h1").first().waitFor();
      const { scrollWidth, dark } = await page.evaluate(() => ({ scrollWidth: document.documentElement.scrollWidth, dark: document.documentElement.classList.contains("dark") }));
      assert.ok(scrollWidth <= 360, `${path} is ${scrollWidth} px wide`);
      assert.equal(dark, colorScheme === "dark", path);
    }
  }
});

test("the playground shows a change in each tab, survives a night, and does again what its address says", async (t) => {
  const page = await openPage(t, browser, `${site}/playground.html`);
  const tabs = page.locator(".playground article");
  await page.getByText("holds the stream").waitFor();
  assert.equal(await tabs.count(), 2);
  await page.getByRole("button", { name: "20×" }).click();
  await page.getByRole("button", { name: "dark-mode" }).click();
  await page.locator(".playground article.night").nth(1).waitFor();

  await page.getByRole("button", { name: "Sleep for a night" }).click();
  await page.locator(".lines li.event", { hasText: 'theme changed to "sunset"' }).nth(1).waitFor();
  await page.locator(".playground footer.ready").nth(1).waitFor();

  const address = page.url();
  assert.match(address, /#seed=1&do=\d+\.flip\.dark-mode~\d+\.sleep$/);
  const again = await openPage(t, browser, "about:blank");
  await again.goto(address);
  await again.locator(".playground article.night").nth(1).waitFor();
  await again.locator(".lines li.act", { hasText: "sleeps for eight hours" }).waitFor();
});
