// Each page of the site as Markdown, at its address with `.md`, and `llms.txt`, which lists them: for programs that read.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { docs, description } from "./project.mjs";
import { sidebar } from "./navigation.mjs";

/** The address of `llms.txt`, see https://llmstxt.org/. */
const LIST = "llms.txt";

/** Writes them beside the pages. @param {{ outDir: string, pages: string[] }} site */
export function markdownPages({ outDir, pages }) {
  for (const page of pages) {
    mkdirSync(dirname(join(outDir, page)), { recursive: true });
    writeFileSync(join(outDir, page), markdown(page));
  }
  writeFileSync(join(outDir, LIST), list());
  cpSync(join(docs, "images"), join(outDir, "images"), { recursive: true });
}

/** Serves them while the pages are written. @returns {import("vite").Plugin} */
export function serveMarkdown() {
  return {
    name: "flagwire-markdown",
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname.slice(1));
        // The pages' scripts are modules with the same names, and are asked for by `import`.
        if (!["document", undefined].includes(request.headers["sec-fetch-dest"]?.toString())) return next();
        if (path === LIST) return void response.setHeader("Content-Type", "text/plain; charset=utf-8").end(list());
        const file = resolve(docs, path);
        if (!path.endsWith(".md") || !file.startsWith(docs) || !existsSync(file)) return next();
        response.setHeader("Content-Type", "text/markdown; charset=utf-8").end(markdown(path));
      });
    },
  };
}

/** A page without what only the site's build reads. @param {string} page its path in docs/ */
function markdown(page) {
  return readFileSync(join(docs, page), "utf8").replace(/^---\n[^]*?\n---\n+/, "").replace(/<!--[^]*?-->/g, "");
}

function list() {
  const parts = sidebar.map(({ text, items = [] }) => `## ${text}\n\n${items.map((item) => `- [${item.text}](${fileOf(item.link ?? "/")})`).join("\n")}\n`);
  return `# Flagwire\n\n> ${description}\n\n${parts.join("\n")}`;
}

/** @param {string} link */
function fileOf(link) {
  return link.endsWith("/") ? `${link}index.md` : `${link}.md`;
}

/** The Markdown files of docs/ that are pages of the site. @returns {string[]} their paths below it */
export function pageFiles() {
  return readdirSync(docs, { recursive: true, encoding: "utf8" }).map((path) => path.replaceAll("\\", "/")).filter((path) => path.endsWith(".md") && !path.startsWith("site/")).sort();
}
