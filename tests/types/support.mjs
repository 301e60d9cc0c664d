// A project that has the package installed, and what compilers say about it.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "../../scripts/lib/paths.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { tempDir } from "../lib/scope.mjs";

/** This project's own compiler, and the last 5.x, which most projects have. */
export const COMPILERS = {
  typescript: join(root, "node_modules/typescript/bin/tsc"),
  "TypeScript 5": join(import.meta.dirname, "node_modules/typescript-5/bin/tsc"),
};

/** What a source of these tests starts with. */
export const HEAD = `
import { initialize, type Client, type Flags } from "flagwire";
declare const client: Client;
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<A, B>(..._: Same<A, B> extends true ? [] : [never]): void {}
`;

/**
 * A project with the package installed.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 */
export function project(t) {
  const folder = tempDir(t);
  const modules = join(folder, "node_modules");
  mkdirSync(modules);
  symlinkSync(packageDir, join(modules, "flagwire"));
  // The frameworks' types, and what those need.
  for (const name of readdirSync(join(root, "node_modules"))) if (name !== "flagwire") symlinkSync(join(root, "node_modules", name), join(modules, name));
  return folder;
}

/**
 * @param {string} folder
 * @param {Record<string, string>} files
 */
export function write(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/**
 * @param {string} folder
 * @param {Record<string, string>} files
 * @param {{ module?: string, options?: Record<string, unknown>, compiler?: string }} [how]
 * @returns {Promise<string>} the compiler's complaints
 */
export async function compile(folder, files, { module = "bundler", options = {}, compiler = COMPILERS.typescript } = {}) {
  write(folder, files);
  const compilerOptions = {
    target: "es2022",
    module: module === "bundler" ? "esnext" : module,
    moduleResolution: module,
    lib: ["es2022", "dom", "dom.iterable"],
    types: [],
    strict: true,
    noEmit: true,
    preserveSymlinks: true,
    skipLibCheck: false,
    ...options,
  };
  write(folder, { "tsconfig.json": JSON.stringify({ compilerOptions, files: Object.keys(files) }) });
  return tsc(folder, ["-p", folder], compiler);
}

/**
 * @param {string} folder
 * @param {string[]} args
 * @param {string} [compiler]
 * @returns {Promise<string>} the compiler's complaints
 */
export async function tsc(folder, args, compiler = COMPILERS.typescript) {
  const { code, output } = await run(process.execPath, [compiler, ...args, "--pretty", "false"], { cwd: folder });
  assert.equal(code === 0, output.trim() === "", output);
  return output.trim();
}

/**
 * Runs `npx flagwire`.
 *
 * @param {string} folder
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export function flagwire(folder, args, env = {}) {
  return run(process.execPath, [join(packageDir, "cli.js"), ...args], { cwd: folder, env: { ...process.env, ...env } });
}
