// Links of pages: what they lead to outside docs/ is shown by the repository's host, as the site does not have it.

import { existsSync, statSync } from "node:fs";
import { dirname, posix, relative, resolve } from "node:path";
import { docs, root, sourceUrl } from "./project.mjs";

/** A link with a scheme, within the page, or from the site's root. */
const ELSEWHERE = /^(?:[a-z][a-z\d+.-]*:|#|\/)/i;

/**
 * @param {string} href as written
 * @param {string} file the path of the page that has it
 * @returns {string} the link for the site
 */
export function siteLink(href, file) {
  if (ELSEWHERE.test(href)) return href;
  const [path = "", fragment] = href.split("#");
  const target = resolve(dirname(file), decodeURIComponent(path));
  const inDocs = relative(docs, target);
  if (!inDocs.startsWith("..") && /\.(?:md|html)$/.test(target)) return href;
  if (!existsSync(target)) throw new Error(`${relative(root, file)} links to ${href}, which is not there`);
  const inProject = relative(root, target).replaceAll("\\", "/");
  const url = sourceUrl(inProject).replace("/blob/", statSync(target).isDirectory() ? "/tree/" : "/blob/");
  return fragment === undefined ? url : `${url}#${fragment}`;
}

/** The anchor of a heading, as the repository's host makes it: links to headings hold at both places. @param {string} heading */
export function slug(heading) {
  return heading.trim().toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "").replaceAll(" ", "-");
}

/** Rewrites the links of each page. @param {import("markdown-it").default} md */
export function linksPlugin(md) {
  md.core.ruler.push("flagwire-links", ({ tokens, env }) => {
    const file = env.realPath ?? env.path;
    if (!file) return;
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      if (token.type !== "link_open") continue;
      const href = token.attrGet("href");
      if (href) token.attrSet("href", siteLink(href, posix.normalize(file)));
    }
  });
}
