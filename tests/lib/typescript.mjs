// Lets Node import the package's TypeScript as it stands, without a build: `node --import ./tests/lib/typescript.mjs`.
//
// Node 20 does not read TypeScript, and later versions neither find files without an extension nor read enums. esbuild
// turns each file into JavaScript when it is imported, which takes about a millisecond. Types are not checked; `npm run build`
// does that.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { register } from "node:module";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { transform } from "esbuild";

/** The build puts the version in place of this name. */
const VERSION = "0.0.0-test";

/** @type {import("node:module").ResolveHook} */
export async function resolve(specifier, context, next) {
  if (specifier.startsWith(".") && context.parentURL?.endsWith(".ts")) {
    const url = new URL(`${specifier}.ts`, context.parentURL);
    if (existsSync(url)) return { url: url.href, format: "module", shortCircuit: true };
  }
  return next(specifier, context);
}

/** @type {import("node:module").LoadHook} */
export async function load(url, context, next) {
  if (!url.endsWith(".ts")) return next(url, context);
  const path = fileURLToPath(url);
  const { code } = await transform(await readFile(path, "utf8"), {
    loader: "ts",
    sourcefile: path,
    sourcemap: "inline",
    target: "es2022",
    define: { VERSION: JSON.stringify(VERSION), DEVELOPMENT: "true", TESTING: "false" },
    // Fields are assigned in the constructor, as in the build: see tsconfig.json beside the sources.
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false, verbatimModuleSyntax: true } },
  });
  return { format: "module", source: code, shortCircuit: true };
}

// This file is both the script that is preloaded and, in the thread that Node runs hooks in, the hooks.
if (isMainThread) register(import.meta.url);
