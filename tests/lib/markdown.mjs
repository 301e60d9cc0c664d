// Blocks of code in documents, so that tests run what readers copy.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "../../scripts/lib/paths.mjs";

/**
 * @typedef {object} Block
 * @property {string} language as written after the fence
 * @property {string} text with a newline at its end
 * @property {number} line of its first line in the document, from 1
 * @property {string} [path] the file that the first line names in a comment, as in `// app/page.tsx`
 */

/**
 * @param {string} document a path from the project's root
 * @returns {Block[]}
 */
export function blocksOf(document) {
  const text = readFileSync(join(root, document), "utf8");
  return [...text.matchAll(/^```(\w+)[^\n]*\n([^]*?)^```$/gm)].map(({ index, 1: language = "", 2: code = "" }) => {
    const path = /^(?:\/\/|#|<!--) ([\w./+-]+\.\w+|\.env)(?: -->)?\n/.exec(code)?.[1];
    return { language, text: code, line: text.slice(0, index).split("\n").length + 1, ...(path && { path }) };
  });
}

/**
 * Writes the files that a part of a document shows into a project.
 *
 * @param {string} document a path from the project's root
 * @param {string} heading of the part, which ends at the next heading of the same level
 * @param {string} folder
 * @returns {string[]} their paths below the folder
 */
export function writeFiles(document, heading, folder) {
  const lines = readFileSync(join(root, document), "utf8").split("\n");
  const from = lines.indexOf(`## ${heading}`) + 1;
  if (from === 0) throw new Error(`${document} has no part "${heading}"`);
  const next = lines.findIndex((line, index) => index >= from && line.startsWith("## "));
  const to = next < 0 ? lines.length : next;
  const files = blocksOf(document).filter(({ path, line }) => path && line > from && line <= to);
  for (const { path = "", text } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return files.map(({ path = "" }) => path);
}
