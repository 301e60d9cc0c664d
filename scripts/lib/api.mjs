// What is public of the npm package and of the crates, as text. `tests/api` holds what it was when somebody last looked.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { packageDir } from "./products.mjs";
import { ask, Plain } from "./run.mjs";
import { publicItems } from "./rust-api.mjs";

export const snapshots = join(root, "tests", "api");

/** The crates that others may depend on, with their folders. */
export const CRATES = { flagwire: ".", "flagwire-core": "crates/core", "flagwire-evaluation": "crates/evaluation", "flagwire-flags-file": "crates/flags-file" };

/**
 * Everything that is public now, by the name of the file in `tests/api` that holds it.
 *
 * @returns {Record<string, string>}
 */
export function publicApi() {
  const crates = Object.entries(CRATES).filter(([, folder]) => existsSync(join(root, folder, "src", "lib.rs")));
  return {
    "npm-types.txt": types(),
    "npm-files.txt": files(),
    ...Object.fromEntries(crates.map(([name, folder]) => [`${name}.txt`, `${publicItems(join(root, folder, "src", "lib.rs")).join("\n").trim()}\n`])),
  };
}

/** The types of all entries, without comments: they are documentation, and may change freely. */
function types() {
  const all = readdirSync(packageDir, { encoding: "utf8", recursive: true }).map((file) => file.replaceAll("\\", "/"));
  const declarations = all.filter((file) => file.endsWith(".d.ts")).sort();
  const parts = declarations.map((file) => {
    const text = readFileSync(join(packageDir, file), "utf8").replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "").replace(/^\s*\n/gm, "");
    return `=== ${file} ===\n${text}`;
  });
  const { exports: entries, bin } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"));
  return [`=== package.json ===\n${JSON.stringify({ exports: entries, bin }, null, 2)}\n`, ...parts].join("\n");
}

/** What `npm pack` puts into the package. */
function files() {
  const text = ask(process.platform === "win32" ? "npm.cmd" : "npm", ["pack", "--dry-run", "--json"], { cwd: packageDir });
  if (!text) throw new Plain("`npm pack --dry-run` fails in pkg/: run `npm run build` first.");
  /** @type {{ files: { path: string }[] }[]} */
  const [{ files: packed } = { files: [] }] = JSON.parse(text);
  return `${packed.map(({ path }) => path).sort().join("\n")}\n`;
}
