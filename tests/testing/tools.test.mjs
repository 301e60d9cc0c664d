// `flagwire/testing` in the tools that its users have: the tests that docs/guides/testing.md shows, each in a small project.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { installPackage } from "../lib/install.mjs";
import { writeFiles } from "../lib/markdown.mjs";

const GUIDE = "docs/guides/testing.md";
const modules = join(import.meta.dirname, "node_modules");
/** Within this folder, so that projects find the tools above, and without links, which some tools follow and others do not. */
const folder = mkdtempSync(join(import.meta.dirname, "project-"));
after(() => rmSync(folder, { recursive: true, force: true }));

before(async () => {
  writeFileSync(join(folder, "package.json"), '{ "private": true }');
  await installPackage(folder);
});

/**
 * A project below the folder where the package is installed: what tests/testing/projects has of it, and the files of the guide.
 *
 * @param {string} name
 * @param {Record<string, string[]>} parts headings of the guide, with the files that each must have
 */
function project(name, parts) {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, "package.json"), '{ "private": true, "type": "module", "devDependencies": { "flagwire": "*" } }');
  for (const one of name.split("-")) cpSync(join(import.meta.dirname, "projects", one), path, { recursive: true });
  for (const [heading, files] of Object.entries(parts)) assert.deepEqual(writeFiles(GUIDE, heading, path), files);
  return path;
}

/** Compiles all TypeScript of a project, as editors show it. @param {string} path */
async function compiles(path) {
  const compilerOptions = { target: "es2023", lib: ["es2023", "dom", "dom.iterable"], module: "esnext", moduleResolution: "bundler", types: ["node"], jsx: "react-jsx", strict: true, noEmit: true, skipLibCheck: true };
  writeFileSync(join(path, "svelte.d.ts"), 'declare module "*.svelte" { const component: import("svelte").Component; export default component; }\n');
  writeFileSync(join(path, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["**/*.ts", "**/*.tsx"] }));
  const { code, output } = await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", path, "--pretty", "false"], { cwd: path });
  assert.equal(code, 0, output);
}

/** Runs a tool to its end. @param {string} path @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
async function passes(path, args, env) {
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
  const { code, output } = await run(process.execPath, args, { cwd: path, env: { ...rest, CI: "1", NO_COLOR: "1", ...env } });
  assert.equal(code, 0, output);
  assert.doesNotMatch(output, /Unhandled|not wrapped in act/i);
  return output;
}

const vitest = join(modules, "vitest", "vitest.mjs");

test("Vitest, React Testing Library, Vue Test Utils and MSW, unconfigured", async () => {
  const path = project("vitest-react-vue", {
    States: ["src/loading.test.ts"],
    Vitest: ["src/shop.test.ts"],
    React: ["src/Banner.test.tsx"],
    Vue: ["src/banner.test.ts"],
    MSW: ["src/live.test.ts"],
  });
  await compiles(path);
  assert.match(await passes(path, [vitest, "run", "--environment", "jsdom"]), /Tests +7 passed/);
});

test("Svelte Testing Library, with happy-dom", async () => {
  const path = project("svelte", { Svelte: ["vite.config.ts", "src/Banner.svelte.test.ts"] });
  await compiles(path);
  // The plug-ins look for these within the project.
  for (const name of ["svelte", join("@testing-library", "svelte")]) cpSync(join(modules, name), join(path, "node_modules", name), { recursive: true });
  assert.match(await passes(path, [vitest, "run"]), /Tests +1 passed/);
});
