// The site made of docs/: `npm run docs` serves it, `npm run docs -- build` makes it.

import { join } from "node:path";
import { defineConfig } from "vitepress";
import { linksPlugin, slug } from "../lib/links.mjs";
import { markdownPages, serveMarkdown } from "../lib/markdown.mjs";
import { description, repositoryUrl, root } from "../lib/project.mjs";
import { figuresPlugin } from "../lib/figures.mjs";
import { nav, sidebar } from "../lib/navigation.mjs";

export default defineConfig({
  title: "Flagwire",
  description,
  lang: "en",
  srcDir: "..",
  srcExclude: ["site/**"],
  outDir: "./dist",
  cacheDir: "./.cache",
  base: process.env.DOCS_BASE ?? "/",
  cleanUrls: true,
  lastUpdated: false,
  head: [["link", {
    rel: "icon",
    href: "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath d='M7 3v26' stroke='%23d9480f' stroke-width='3'/%3E%3Cpath d='M9 5h17l-5 6 5 6H9z' fill='%23d9480f'/%3E%3C/svg%3E",
  }]],
  markdown: { languageAlias: { cjs: "js", mjs: "js" }, anchor: { slugify: slug }, config: (md) => void md.use(linksPlugin) },
  vite: {
    resolve: { alias: { flagwire: join(root, "pkg", "index.js") } },
    plugins: [figuresPlugin(), serveMarkdown()],
    worker: { format: "es" },
    server: { fs: { allow: [root] } },
    build: { chunkSizeWarningLimit: 2_000 },
  },
  vue: { template: { compilerOptions: { comments: false } } },
  // The playground wants the width of the outline.
  transformPageData: (page) => void (page.relativePath === "playground.md" && (page.frontmatter.aside = false)),
  buildEnd: markdownPages,
  themeConfig: {
    search: { provider: "local" },
    nav,
    sidebar,
    outline: { level: [2, 3] },
    editLink: { pattern: `${repositoryUrl}/edit/main/docs/:path`, text: "Edit this page" },
    socialLinks: [{ icon: "github", link: repositoryUrl }],
    footer: { message: "Apache 2.0. Harness is a trademark of Harness Inc.; Flagwire is not affiliated with it." },
  },
});
