// Blocks of code in documents that are not TypeScript or JavaScript (tests/packaging/guides.test.mjs has those): what readers copy is
// well-formed, flags files have no mistakes, components compile, and commands and their options are there.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { preprocess, compile } from "svelte/compiler";
import { compileScript, compileTemplate, parse as parseVue } from "vue/compiler-sfc";
import { transform } from "esbuild";
import { parseAllDocuments } from "yaml";
import { documents } from "../../scripts/lib/figures.mjs";
import { root } from "../../scripts/lib/paths.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { blocksOf } from "../lib/markdown.mjs";
import { tempDir } from "../lib/scope.mjs";
import { serverBinary } from "../lib/server.mjs";

const blocks = documents()
  .filter((path) => /^(?:README\.md|pkg-template\/README\.md|docs\/)/.test(path))
  .flatMap((path) => blocksOf(path).map((block) => ({ ...block, place: `${path}, from line ${block.line}` })));
/** @param {string[]} languages */
const inLanguage = (...languages) => blocks.filter(({ language }) => languages.includes(language));

test("blocks of YAML and JSON can be read", () => {
  const data = inLanguage("yaml", "json");
  assert.ok(data.length > 20, `${data.length}`);
  for (const { language, text, place } of data) {
    // The first line may name the file.
    if (language === "json") assert.doesNotThrow(() => JSON.parse(text.replace(/^\/\/.*\n/, "")), place);
    else assert.deepEqual(parseAllDocuments(text).flatMap(({ errors }) => errors), [], place);
  }
});

test("blocks with a flags file have no mistakes", async (t) => {
  const files = inLanguage("yaml").filter(({ text }) => /^(?:flags|groups):\s*$/m.test(text) && !/^environments:|^kind: ConfigMap/m.test(text));
  assert.ok(files.length > 30, `${files.length}`);
  const folder = tempDir(t);
  for (const [index, { text }] of files.entries()) writeFileSync(join(folder, `${index}.yaml`), text);
  const { code, output } = await run(serverBinary(), ["check", ...files.map((_, index) => `${index}.yaml`)], { cwd: folder });
  assert.equal(code, 0, output.replaceAll(/^(\d+)\.yaml/gm, (_, index) => files[index]?.place ?? ""));
});

test("blocks of Vue and Svelte compile", async () => {
  for (const { text, place } of inLanguage("vue")) {
    const { descriptor, errors } = parseVue(text);
    assert.deepEqual(errors, [], place);
    const { bindings } = compileScript(descriptor, { id: "block" });
    const template = compileTemplate({ id: "block", filename: "block.vue", source: descriptor.template?.content ?? "", compilerOptions: { bindingMetadata: bindings } });
    assert.deepEqual(template.errors, [], place);
  }
  for (const { text, place } of inLanguage("svelte")) {
    const { code } = await preprocess(text, { script: async ({ content }) => transform(content, { loader: "ts", tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } } }) });
    assert.deepEqual(compile(code, { generate: "client" }).warnings, [], place);
  }
  assert.ok(inLanguage("vue").length > 0 && inLanguage("svelte").length > 3);
});

test("commands that documents show are there, with their options", async () => {
  const helps = new Map();
  /** @param {string} program @param {string[]} args */
  const help = async (program, args) => {
    const key = [program, ...args].join(" ");
    const [command, ...first] = program === "flagwire-server" ? [serverBinary()] : [process.execPath, join(packageDir, "cli.js")];
    if (!helps.has(key)) helps.set(key, (await run(String(command), [...first, ...args, "--help"], { cwd: root })).output);
    return helps.get(key);
  };
  /** @type {string[]} */
  const missing = [];
  let seen = 0;
  for (const { text, place } of inLanguage("sh")) {
    // A line that ends in a backslash goes on in the next one. What follows a `#` or a pipe is not the command's.
    for (const line of text.replaceAll("\\\n", " ").split("\n")) {
      for (const [, name, rest = ""] of line.replace(/ #.*$/, "").matchAll(/(?:^|\s)(npx flagwire(?!-)|flagwire-server)((?: [^|;&#]*)?)/g)) {
        const program = name === "flagwire-server" ? "flagwire-server" : "npx flagwire";
        const words = rest.trim().split(/\s+/);
        const listed = await help(program, []);
        const command = words.find((word) => /^[a-z]+$/.test(word) && new RegExp(`^(?: {2}|npx flagwire )${word} `, "m").test(listed));
        const first = words[0] ?? "";
        if (/^[a-z]+$/.test(first) && first !== command && program === "npx flagwire") missing.push(`${place}: ${program} ${first}`);
        const options = `${await help(program, command ? [command] : [])}`;
        seen += 1;
        for (const option of words.flatMap((word) => /^--[a-z][a-z-]*/.exec(word)?.[0] ?? [])) {
          if (!new RegExp(`${option}(?![a-z-])`).test(options)) missing.push(`${place}: ${program} ${command ?? ""} ${option}`);
        }
      }
    }
  }
  assert.ok(seen > 15, `${seen}`);
  assert.deepEqual(missing, []);
});
