// `npx flagwire migrate`: applications for Harness's SDKs, rewritten, compiled, and their own tests run on this package.

import assert from "node:assert/strict";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { rewrite } from "../../pkg-template/cli/rewrite.mjs";
import { root } from "../../scripts/lib/paths.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { FLAGS } from "../lib/flags.mjs";
import { tempDir } from "../lib/scope.mjs";
import { startServer } from "../lib/server.mjs";
import { TEST_LIMIT } from "./limit.mjs";

const modules = join(import.meta.dirname, "node_modules");
const samples = join(import.meta.dirname, "samples");
const folder = tempDir({ after });
const SDK = "@harnessio/ff-javascript-client-sdk";
const REACT = "@harnessio/ff-react-client-sdk";

before(() => {
  mkdirSync(join(folder, "node_modules", "@types"), { recursive: true });
  for (const name of readdirSync(modules)) if (!/^\.|^@types$/.test(name)) symlinkSync(join(modules, name), join(folder, "node_modules", name));
  for (const name of ["node", "react"]) symlinkSync(join(root, "node_modules", "@types", name), join(folder, "node_modules", "@types", name));
  // Not a link: it requires React from where it is.
  cpSync(packageDir, join(folder, "node_modules", "flagwire"), { recursive: true });
});

/** @param {string} cwd @param {string[]} args */
async function git(cwd, ...args) {
  const { code, output } = await run("git", ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "core.autocrlf=false", ...args], { cwd });
  assert.equal(code, 0, output);
  return output;
}

/**
 * A folder of these files, committed.
 *
 * @param {string} name
 * @param {Record<string, string | Buffer>} files
 */
async function project(name, files = {}) {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  if (existsSync(join(samples, name))) cpSync(join(samples, name), path, { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    writeFileSync(join(path, file), text);
  }
  await git(path, "init", "-q");
  await git(path, "add", "-A");
  await git(path, "commit", "-qm", "As it was");
  return path;
}

/** @param {string} path @param {...string} args */
async function migrate(path, ...args) {
  const { code, output } = await run(process.execPath, [join(packageDir, "cli.js"), "migrate", path, ...args], { cwd: folder });
  return { code, lines: output.trimEnd().split("\n") };
}

/** @param {string} path @param {string} file */
const read = (path, file) => readFileSync(join(path, file), "utf8");

/** @param {string} path what of it is changed, and not committed */
const changed = async (path) => (await git(path, "status", "--porcelain")).trim();

/** What the project's own compiler says of it. @param {string} path */
async function tsc(path) {
  return (await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", path, "--pretty", "false"], { cwd: path })).output.trim();
}

/** Runs a project's own tests, beside a server. @param {import("../lib/scope.mjs").Scope} t @param {string} path @param {string[]} args */
async function passes(t, path, args) {
  const server = await startServer(t, { flags: FLAGS });
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { code, output } = await run(process.execPath, [...args, TEST_LIMIT], { cwd: path, env: { ...env, CI: "1", NO_COLOR: "1", SERVER: server.url } });
  assert.equal(code, 0, output);
}

/** The lines with a package's name. @param {string} text */
const naming = (text) => text.split("\n").filter((line) => line.includes("@harnessio/"));

describe("applications", () => {
  test("modules in TypeScript, with React and Vitest", async (t) => {
    const tsconfig = { target: "es2022", module: "esnext", moduleResolution: "bundler", lib: ["es2022", "dom", "dom.iterable"], jsx: "react-jsx", types: ["node"], strict: true, noEmit: true, skipLibCheck: true };
    const path = await project("modules", {
      ".gitignore": "node_modules\n",
      "tsconfig.json": JSON.stringify({ compilerOptions: tsconfig, include: ["src"] }),
      "src/untyped.d.ts": 'declare module "react-dom/client";\n',
    });
    assert.equal(await tsc(path), "", "with the published types");

    const tried = await migrate(path, "--dry-run");
    assert.equal(await changed(path), "");
    const done = await migrate(path);
    assert.equal(done.code, 0);
    assert.deepEqual(done.lines.filter((line) => /^(src|package)/.test(line)), tried.lines.filter((line) => /^(src|package)/.test(line)));
    assert.match(done.lines.join("\n"), /^src\/App\.tsx:16: @harnessio\/ff-react-client-sdk → flagwire\/harness\/react$/m);
    assert.match(done.lines.join("\n"), /^\d+ changes in 4 files; 3 left to you$/m);

    assert.deepEqual(naming(read(path, "src/flags.ts")), [
      `// The client of the pages without React: import { initialize } from "${SDK}";`,
      `export const HELP = 'Flags come from "${SDK}"; see import("${SDK}").';`,
    ]);
    assert.deepEqual(naming(read(path, "src/App.tsx")), [`      <p>import x from "${REACT}"</p>`]);
    assert.deepEqual(naming(read(path, "src/App.test.tsx")), []);
    // A text may be what a module is found by, so the package that it names stays.
    assert.deepEqual(Object.keys(JSON.parse(read(path, "package.json")).dependencies), [SDK, "flagwire", "react"]);
    assert.equal(await tsc(path), "", "with this package's types");
    await passes(t, path, [join(modules, "vitest", "vitest.mjs"), "run", "--globals", "--environment", "jsdom"]);

    await git(path, "commit", "-qam", "Migrated");
    assert.match((await migrate(path)).lines.at(-1) ?? "", /^0 changes in 0 files; \d+ left to you$/);
    assert.equal(await changed(path), "");
  });

  test("CommonJS, with React and Jest", async (t) => {
    const path = await project("commonjs");
    assert.equal((await migrate(path)).code, 0);
    assert.deepEqual(naming(read(path, "src/shop.js")), [`/** Reads what \`require("${REACT}")\` gives. */`, `exports.text = 'require("${REACT}")'`]);
    assert.deepEqual(naming(read(path, "src/shop.test.js")), []);
    mkdirSync(join(path, "node_modules"));
    symlinkSync(join(modules, "jest-environment-jsdom-30"), join(path, "node_modules", "jest-environment-jsdom"));
    await passes(t, path, [join(modules, "jest-30", "bin", "jest.js"), "--runInBand"]);
  });

  test("components of Vue and Svelte: their scripts alone", async () => {
    const path = await project("components");
    const before = { vue: read(path, "Shop.vue"), svelte: read(path, "Shop.svelte") };
    const { lines } = await migrate(path, "--base-url", "https://flags.example.com");
    const urls = 'baseUrl: "https://flags.example.com", eventUrl: "https://flags.example.com"';
    assert.equal(
      read(path, "Shop.vue"),
      before.vue.replace(`Event } from '${SDK}'`, "Event } from 'flagwire/harness'").replace(`\nimport { initialize } from "${SDK}"`, '\nimport { initialize } from "flagwire/harness"').replace(
        "satisfies object)",
        `satisfies object, { ${urls} })`,
      ),
    );
    assert.equal(read(path, "Shop.svelte"), before.svelte.replace(`from '${SDK}'`, "from 'flagwire/harness'"));
    assert.ok(lines.includes("Shop.svelte:11: left to you: @harnessio/ff-javascript-client-sdk is named here"), lines.join("\n"));
  });
});

describe("files", () => {
  const IMPORT = `import { initialize } from "${SDK}";\n`;
  const DONE = 'import { initialize } from "flagwire/harness";\n';

  test("with uncommitted changes are not touched without --force, nor is any other", async () => {
    const path = await project("dirty", { "a.js": IMPORT, "b.js": IMPORT });
    writeFileSync(join(path, "b.js"), `${IMPORT}// in work\n`);
    writeFileSync(join(path, "c.js"), IMPORT);
    const { code, lines } = await migrate(path);
    assert.equal(code, 1);
    assert.deepEqual(lines.slice(1, 3), ["  b.js (uncommitted changes)", "  c.js (not added)"]);
    assert.equal(read(path, "a.js"), IMPORT);
    assert.equal((await migrate(path, "--force")).code, 0);
    assert.deepEqual(["a.js", "b.js", "c.js"].map((file) => read(path, file)), [DONE, `${DONE}// in work\n`, DONE]);
  });

  test("in no repository need --force", async () => {
    const path = tempDir({ after });
    writeFileSync(join(path, "a.js"), IMPORT);
    assert.match((await migrate(path)).lines.join("\n"), /^Nothing was changed: .*\n {2}a\.js \(in no repository\)$/m);
    writeFileSync(join(path, ".gitignore"), "ignored.js\n");
    writeFileSync(join(path, "ignored.js"), IMPORT);
    assert.equal((await migrate(path, "--force")).code, 0);
    assert.deepEqual([read(path, "a.js"), read(path, "ignored.js")], [DONE, IMPORT]);
  });

  test("keep mode, line ends, byte order mark and quotes, and come whole", async () => {
    const text = `\uFEFF#!/usr/bin/env node\r\nimport { initialize } from '${SDK}'\r\n\tinitialize(key, target, {\r\n\t\tdebug: true\r\n\t})\r\n`.replace("#!/usr/bin/env node\r\n", "");
    const path = await project("bytes", { "a.mjs": text });
    chmodSync(join(path, "a.mjs"), 0o750);
    await git(path, "commit", "-qam", "Executable");
    await migrate(path, "--base-url", "/flags");
    assert.equal(read(path, "a.mjs"), text.replace(SDK, "flagwire/harness").replace("{\r\n\t\tdebug", "{\r\n\t\tbaseUrl: '/flags',\r\n\t\teventUrl: '/flags',\r\n\t\tdebug"));
    assert.equal(statSync(join(path, "a.mjs")).mode & 0o777, 0o750);
    assert.deepEqual(readdirSync(path).sort(), [".git", "a.mjs"]);
  });

  test("that are ignored, installed, built, minified, not UTF-8 or behind a link stay", async () => {
    const outside = tempDir({ after });
    writeFileSync(join(outside, "a.js"), IMPORT);
    const path = await project("skipped", {
      ".gitignore": "/generated\n*.gen.js\n",
      "generated/a.js": IMPORT,
      "a.gen.js": IMPORT,
      "node_modules/a/a.js": IMPORT,
      "packages/a/node_modules/a/a.js": IMPORT,
      "dist/a.js": IMPORT,
      "packages/a/build/a.js": IMPORT,
      ".next/a.js": IMPORT,
      "a.min.js": IMPORT,
      "packed.js": `${IMPORT.trim()}${"var a=1;".repeat(1000)}`,
      "latin.js": Buffer.concat([Buffer.from(IMPORT), Buffer.from([0x2f, 0x2f, 0xe4, 0x0a])]),
      "broken.js": `${IMPORT}const = 1;\n`,
      ".pnp.cjs": `const packages = ["${SDK}"];\n`,
      "package-lock.json": JSON.stringify({ packages: { [`node_modules/${SDK}`]: {} } }),
    });
    symlinkSync(outside, join(path, "linked"));
    symlinkSync(join(outside, "a.js"), join(path, "linked.js"));
    const { lines } = await migrate(path, "--force");
    assert.equal(await changed(path), "?? linked\n?? linked.js");
    assert.equal(readFileSync(join(outside, "a.js"), "utf8"), IMPORT);
    assert.deepEqual(lines.map((line) => line.replace(/\(.*\)/, "(…)")), [
      "broken.js:1: left to you: this file cannot be read (…); change it yourself",
      "a.min.js: left as it is: it looks minified; build it again",
      "latin.js: left as it is: it is not UTF-8; change it yourself",
      "packed.js: left as it is: it looks minified; build it again",
      "0 changes in 0 files; 1 left to you",
    ]);
  });

  test("named package.json depend on this package, and on what is still imported", async () => {
    const { version } = JSON.parse(read(packageDir, "package.json"));
    const own = `"flagwire": "^${version}"`;
    const cases = {
      both: [`{"dependencies": {"a": "1", "${SDK}": "1", "${REACT}": "2"}}`, `{"dependencies": {"a": "1", ${own}}}`],
      sections: [
        `{\n\t"dependencies": {\n\t\t"${REACT}": "2"\n\t},\n\t"devDependencies": {\n\t\t"${SDK}": "1",\n\t\t"b": "1"\n\t}\n}\n`,
        `{\n\t"dependencies": {\n\t\t${own}\n\t},\n\t"devDependencies": {\n\t\t${own},\n\t\t"b": "1"\n\t}\n}\n`,
      ],
      has: [`{"dependencies": {"flagwire": "1", "${SDK}": "1", "${REACT}": "2"}}`, '{"dependencies": {"flagwire": "1"}}'],
      first: [`{"dependencies": {"${SDK}": "1", "${REACT}": "2", "flagwire": "1"}}`, '{"dependencies": {"flagwire": "1"}}'],
    };
    const path = await project("manifests", Object.fromEntries(Object.entries(cases).map(([name, [before]]) => [`${name}/package.json`, before ?? ""])));
    await migrate(path);
    for (const [name, [, wanted]] of Object.entries(cases)) assert.equal(read(path, `${name}/package.json`), wanted, name);
    await git(path, "commit", "-qam", "Migrated");
    assert.equal((await migrate(path)).lines.at(-1), "0 changes in 0 files; 0 left to you");

    const kept = await project("kept", { "package.json": `{\n  "dependencies": {\n    "${SDK}": "1"\n  },\n  "overrides": { "${REACT}": "2" }\n}\n`, "a.js": `import "${SDK}/package.json";\n` });
    const { lines } = await migrate(kept);
    assert.equal(read(kept, "package.json"), `{\n  "dependencies": {\n    ${own},\n    "${SDK}": "1"\n  },\n  "overrides": { "${REACT}": "2" }\n}\n`);
    assert.ok(lines.includes(`package.json:5: left to you: ${REACT} is named here`), lines.join("\n"));
  });
});

test("mistakes are said in a sentence", async () => {
  for (
    const [args, said] of /** @type {[string[], RegExp][]} */ ([
      [[], /^Give one folder/],
      [["a", "b"], /^Give one folder/],
      [["no-such-folder"], /^There is no folder no-such-folder\.$/m],
      [[folder, "--base-url", "flags.example.com"], /^--base-url must be an address/],
      [[folder, "--hurry"], /^Unknown option '--hurry'/],
    ])
  ) {
    const { code, output } = await run(process.execPath, [join(packageDir, "cli.js"), "migrate", ...args], { cwd: folder });
    assert.equal(code, 1, output);
    assert.match(output, said);
  }
});

/** @param {string} script @param {string} language @param {string} [baseUrl] */
function rewritten(script, language, baseUrl) {
  const { edits, left } = rewrite(script, language, { baseUrl });
  let text = script;
  for (const { start, end, text: by } of edits.toSorted((one, other) => other.start - one.start)) text = text.slice(0, start) + by + text.slice(end);
  return { text, edits, left };
}

describe("a script's", () => {
  const to = /** @type {Record<string, string>} */ ({ [SDK]: "flagwire/harness", [REACT]: "flagwire/harness/react" });
  /** Where a module is named, by the language. @type {[languages: string[], written: (specifier: string) => string][]} */
  const PLACES = [
    [["js", "ts", "tsx"], (it) => `import a, { b as c } from "${it}";`],
    [["js", "ts", "tsx"], (it) => `import '${it}'`],
    [["js", "ts", "tsx"], (it) => `export * as d from '${it}';`],
    [["js", "ts", "tsx"], (it) => `export { e } from "${it}"`],
    [["js", "ts", "tsx"], (it) => `const f = async () => (await import(/* a chunk */ "${it}")).g;`],
    [["js", "ts", "tsx"], (it) => `const h = require(\`${it}\`);`],
    [["js", "ts", "tsx"], (it) => `require.resolve("${it}"); import.meta.resolve("${it}"); module.require("${it}");`],
    [["js", "ts", "tsx"], (it) => `jest.mock("${it}", () => ({ ...jest.requireActual("${it}") })).unmock("${it}");`],
    [["js", "ts", "tsx"], (it) => `vi.mock(import("${it}"), async () => vi.importActual("${it}")); vi.doMock('${it}');`],
    [["ts", "tsx"], (it) => `import type { i } from "${it}";`],
    [["ts", "tsx"], (it) => `import j = require("${it}");`],
    [["ts", "tsx"], (it) => `type K = typeof import("${it}") | import('${it}').L<string>;`],
    [["ts", "tsx"], (it) => `declare module "${it}" { interface M {} }`],
    [["ts"], (it) => `@Decorated() class N { constructor(@Inject("x") private o = <any>require("${it}")) {} }`],
    [["tsx"], (it) => `const P = <T extends object,>(q: T) => <R<T> s={import("${it}")}>it's</R>;`],
  ];
  /** What names a module and is none. @type {[languages: string[], written: string][]} */
  const OTHERS = [
    [["js", "ts", "tsx"], `// import "${SDK}";`],
    [["js", "ts", "tsx"], `/* require("${REACT}") */`],
    [["js", "ts", "tsx"], `const text = 'import("${SDK}")';`],
    [["js", "ts", "tsx"], `const list = ["${SDK}", \`\${list} from "${REACT}"\`];`],
    [["js", "ts", "tsx"], `const pattern = /require\\("@harnessio\\/ff-react-client-sdk"\\)[/'"]/;`],
    [["js", "ts", "tsx"], `requires("${SDK}"); own.mock("${REACT}"); jest.fn("${SDK}");`],
    [["js", "ts", "tsx"], `require("@harnessio/" + name); require("${SDK}/package.json"); import(\`@harnessio/ff-\${name}\`);`],
    [["js", "ts", "tsx"], 'import "@harnessio/ff-javascript-client-sdk-extras";'],
    [["js", "tsx"], `const element = <p title="${SDK}">import x from "${REACT}"; it's</p>;`],
  ];

  for (const specifier of [SDK, REACT, `${SDK}/dist/types`, `${REACT}/dist/cjs`, `${REACT}/dist/esm/test-utils/TestWrapper`, `${REACT}/dist/esm/context/FFContext.js`]) {
    test(`imports of ${specifier} are rewritten wherever they are written`, () => {
      const name = specifier.startsWith(SDK) ? SDK : REACT;
      for (const [languages, written] of PLACES) for (const language of languages) assert.equal(rewritten(written(specifier), language).text, written(to[name] ?? ""), language);
    });
  }

  test("comments and texts stay", () => {
    for (const [languages, written] of OTHERS) for (const language of languages) assert.equal(rewritten(written, language, "/flags").text, written, language);
    for (const script of [`require("@harnessio/" + name)`, `require("${SDK}/package.json")`, `const a = ["${SDK}"]`, `/** @type {import("${SDK}").Target} */`]) assert.equal(rewritten(script, "js").left.length, 1, script);
  });

  test("mixtures of these are rewritten as each alone, and once for all", () => {
    // A small generator, so that a failure comes again.
    let seed = 20261231;
    const random = (/** @type {number} */ below) => (seed = (seed * 48271) % 2147483647) % below;
    for (let round = 0; round < 300; round++) {
      const language = ["js", "ts", "tsx"][random(3)] ?? "js";
      const eol = ["\n", "\r\n", "\n\n"][random(3)] ?? "\n";
      const parts = Array.from({ length: 1 + random(8) }, () => {
        const specifier = [SDK, REACT][random(2)] ?? SDK;
        const places = PLACES.filter(([languages]) => languages.includes(language));
        const others = OTHERS.filter(([languages]) => languages.includes(language));
        if (random(3) === 0) return others[random(others.length)]?.[1] ?? "";
        return { specifier, written: places[random(places.length)]?.[1] ?? String };
      });
      const script = (/** @type {(specifier: string) => string} */ name) => parts.map((part) => (typeof part === "string" ? part : part.written(name(part.specifier)))).join(`;${eol}`);
      const start = random(2) ? "\uFEFF" : "";
      const once = rewritten(start + script((specifier) => specifier), language, "/flags");
      assert.equal(once.text, start + script((specifier) => to[specifier] ?? ""));
      assert.deepEqual(rewritten(once.text, language, "/flags").edits, []);
    }
  });

  test("clients find the server that --base-url names, and keep their own", () => {
    const head = `import { initialize as start } from '${SDK}'; import * as sdk from "${REACT}"; const { FFContextProvider: Own } = require("${REACT}");\n`;
    const urls = "baseUrl: '/flags', eventUrl: '/flags'";
    for (
      const [before, wanted] of [
        ["start(key, target)", `start(key, target, { ${urls} })`],
        ["start(key, target, {})", `start(key, target, { ${urls} })`],
        ["start(key, target, {a})", `start(key, target, { ${urls}, a})`],
        ["start(key, target, { a: 1 })", `start(key, target, { ${urls}, a: 1 })`],
        ["start(key, target, { baseUrl: own, eventUrl: own })", undefined],
        ["start(key, target, { baseUrl: own })", "start(key, target, { eventUrl: '/flags', baseUrl: own })"],
        ["start(key, target, { ...own })", undefined],
        ["start(key, target, own())", undefined],
        ["initialize(key, target)", undefined],
        ["const own = { a: 1 }; start(key, target, own); start(other, target, own);", `const own = { ${urls}, a: 1 }; start(key, target, own); start(other, target, own);`],
        ['start(key, target, { baseUrl: env.URL ?? "https://config.ff.harness.io/api/1.0", eventUrl: "https://events.ff.harness.io/api/1.0" })', 'start(key, target, { baseUrl: env.URL ?? "/flags", eventUrl: "/flags" })'],
        ['const baseUrl = "https://config.ff.harness.io/api/1.0";', 'const baseUrl = "/flags";'],
        ['const other = "https://config.ff.harness.io/api/1.0"; const baseUrl = "https://ff.harness.io.example.com";', undefined],
        ["<sdk.FFContextProvider apiKey={key} target={target} />", `<sdk.FFContextProvider options={{ ${urls} }} apiKey={key} target={target} />`],
        ["<Own options={{ a: 1 }}>a</Own>", `<Own options={{ ${urls}, a: 1 }}>a</Own>`],
        ["<Own {...props}>a</Own>", undefined],
        ["<FFContextProvider />", undefined],
      ]
    ) {
      const done = rewritten(head + before, "jsx", "/flags");
      assert.equal(done.text.slice(done.text.indexOf("\n") + 1), wanted ?? before);
      assert.deepEqual(rewritten(done.text, "jsx", "/flags").edits, [], before);
      // Without the option nothing of it is changed, and it is said.
      const without = rewritten(head + before, "jsx");
      assert.equal(without.text.slice(without.text.indexOf("\n") + 1), before);
      if (wanted) assert.ok(without.left.length > 0, before);
    }
  });
});
