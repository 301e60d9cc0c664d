// What the site says of the project, read from where it is decided.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
/** The folder whose Markdown files are the site's pages. */
export const docs = join(root, "docs");

const { repository, description } = JSON.parse(readFileSync(join(root, "pkg-template", "package.json"), "utf8"));

/** The repository's address, without a slash at its end. */
export const repositoryUrl = repository.url.replace(/^git\+/, "").replace(/\.git$/, "");
export { description };

/** The address of a file on the repository's host. @param {string} path from the root */
export const sourceUrl = (path) => `${repositoryUrl}/blob/main/${path}`;
