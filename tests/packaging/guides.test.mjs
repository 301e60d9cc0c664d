// Every block of TypeScript or JavaScript in the documents compiles against the package as users install it.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { installPackage } from "../lib/install.mjs";
import { blocksOf } from "../lib/markdown.mjs";

const LANGUAGES = ["ts", "tsx", "js", "jsx"];
const DOCUMENTS = ["README.md", "pkg-template/README.md", ...below("docs")];

/** What blocks take for granted: readers have it from the text around them. */
const PRELUDE = `
import type { Client, Evaluation, Target } from "flagwire";
declare global {
  const KEY: string;
  const FLAGS: string;
  const key: string;
  const target: Target;
  const client: Client;
}
`;
/** What the documents name and do not show. @type {Record<string, string>} */
const ELSEWHERE = {
  "docs/guides/server-rendering/app.tsx": "export const App = () => null;\n",
  "vue.d.ts": 'declare module "*.vue" { const component: import("vue").Component; export default component; }\n',
};

const folder = mkdtempSync(join(import.meta.dirname, "guides-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("the blocks of all documents compile", async () => {
  write("package.json", '{ "private": true, "type": "module" }');
  await installPackage(folder);
  write("prelude.d.ts", PRELUDE);
  for (const [file, text] of Object.entries(ELSEWHERE)) write(file, text);

  /** Where blocks are from, by the file that they are compiled as. @type {Map<string, string>} */
  const origins = new Map();
  for (const document of DOCUMENTS) {
    for (const { language, text, line, path } of blocksOf(document)) {
      if (!LANGUAGES.includes(language)) continue;
      const file = join(document.replace(/\.md$/, ""), path ?? `line-${line}.${language}`).replaceAll("\\", "/");
      assert.ok(!origins.has(file), `${document} shows ${path} twice`);
      origins.set(file, `${document}, from line ${line}`);
      // A module of its own, also where it imports nothing.
      write(file, `${text}export {};\n`);
    }
  }
  assert.ok(origins.size >= 15, `only ${origins.size} blocks were found`);

  const compilerOptions = {
    target: "es2023",
    lib: ["es2023", "dom", "dom.iterable"],
    module: "esnext",
    moduleResolution: "bundler",
    allowImportingTsExtensions: true,
    types: ["node", "vite/client"],
    jsx: "react-jsx",
    allowJs: true,
    checkJs: true,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  };
  write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["prelude.d.ts", ...Object.keys(ELSEWHERE), ...origins.keys()] }));
  const tsc = join(import.meta.dirname, "node_modules/typescript/bin/tsc");
  const { code, output } = await run(process.execPath, [tsc, "-p", folder, "--pretty", "false"], { cwd: folder });
  assert.equal(code, 0, output.replaceAll(/^([^\s(][^(]*)\(/gm, (all, file) => `${origins.get(file) ?? file}: ${all}`));
});

/** @param {string} file @param {string} text */
function write(file, text) {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

/** The documents below a folder. @param {string} path @returns {string[]} */
function below(path) {
  return readdirSync(join(root, path), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${path}/${name.replaceAll("\\", "/")}`)
    .sort();
}
