// `npx flagwire`: what it writes types of and where, what it says, and how it ends.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { tempDir } from "../lib/scope.mjs";
import { serverBinary, startServer } from "../lib/server.mjs";
import { compile, flagwire, HEAD, project, tsc, write } from "./support.mjs";

const FLAGS = `flags:
  dark-mode: false
  theme:
    variations: { classic: classic, ocean: ocean }
    default: classic
`;

/**
 * @param {string} text what was written
 * @returns {Record<string, string>}
 */
function typesIn(text) {
  return Object.fromEntries([...text.matchAll(/^ {4}"([^"]+)": ([^]+?);$(?=\n {4}"|\n {2}\})/gm)].map(([, name, type]) => [name, type]));
}

/** @param {import("../lib/scope.mjs").Scope} t @param {string} flags */
async function typesOf(t, flags) {
  const folder = tempDir(t);
  write(folder, { "flags.yaml": flags });
  const { code, output } = await flagwire(folder, ["types", "--flags", "flags.yaml", "--out", "-"]);
  assert.equal(code, 0, output);
  return typesIn(output);
}

test("a flag's kind decides about its type, as it decides about what is served", async (t) => {
  const flags = `flags:
  text-of-number: { value: 5, kind: string }
  text-of-boolean: { value: true, kind: string }
  texts-of-numbers: { variations: { one: 1, two: 2.5 }, kind: string, default: one }
  number: { value: 5, kind: number }
  numbers: { variations: { 10: 10, 2: 2 }, default: 2 }
  json-of-number: { value: 5, kind: json }
  bool: { default: { true: 30, false: 70 }, kind: bool, off: false }
`;
  const server = await startServer(t, { flags });
  const served = await (await fetch(`${server.url}/ofrep/v1/evaluate/flags`, { method: "POST", headers: { "Content-Type": "application/json", Authorization: "Bearer flagwire-dev-client-key" }, body: '{"context":{"targetingKey":"u"}}' }))
    .json();
  const types = await typesOf(t, flags);
  const byName = new Map(Object.entries(types));
  assert.deepEqual(types, { bool: "boolean", "json-of-number": "number", number: "number", numbers: "number", "text-of-boolean": "string", "text-of-number": "string", "texts-of-numbers": '"1" | "2.5"' });
  assert.equal(served.flags.length, 7);
  for (const { key, value } of /** @type {{ key: string, value: unknown }[]} */ (served.flags)) assert.ok(byName.get(key) === typeof value || byName.get(key)?.split(" | ").includes(JSON.stringify(value)), key);
});

test("the types of JSON take in all variations", async (t) => {
  const types = await typesOf(
    t,
    `flags:
  banner:
    variations:
      none: { text: "", tags: [] }
      sale: { text: Sale, tags: [a, 1], link: { href: "#", new-tab: true } }
      launch: { text: Launch, tags: [], link: { href: "#" } }
    default: none
  rows: { variations: { some: [{ id: 1 }, { id: 2, more: true }], none: [] }, default: none }
  mixed: { kind: json, variations: { object: { a: 1 }, list: [1], text: x, nothing: null }, default: text }
  empty: { value: {} }
  unknown: { variations: { none: [] }, default: none }
`,
  );
  assert.deepEqual(types, {
    banner: '{ text: string; tags: (string | number)[]; link?: { href: string; "new-tab"?: boolean } }',
    empty: "unknown",
    mixed: "{ a: number } | number[] | string | null",
    rows: "{ id: number; more?: boolean }[]",
    unknown: "unknown",
  });
});

test("a long type is written on several lines, and is the same", async (t) => {
  const long = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`field-number-${index}`, { list: [{ text: "x" }], n: index }]));
  const folder = project(t);
  write(folder, { "flags.yaml": JSON.stringify({ flags: { long: { value: long } } }), "tsconfig.json": "{}" });
  assert.equal((await flagwire(folder, ["types", "--flags", "flags.yaml"])).code, 0);
  const written = readFileSync(join(folder, "flagwire-flags.d.ts"), "utf8");
  assert.ok(Math.max(...written.split("\n").map((line) => line.length)) <= 120);
  const source = `${HEAD} const type = client.variation("long", ${JSON.stringify(long)}); is<{ text: string }[], (typeof type)["field-number-3"]["list"]>();`;
  assert.equal(await compile(folder, { "flagwire-flags.d.ts": written, "good.ts": source }), "");
});

/** Files that the server refuses, and the place and words of each one's first mistake. @type {Record<string, [flags: string, says: RegExp]>} */
const REFUSED = {
  "a key twice": ["flags:\n  a: true\n  a: false\n", /:3:3: .*`a` is there twice/],
  "a key that it does not know": ["flags:\n  a: { defualt: true }\n", /:2:8: unknown key `defualt`.*did you mean `default`/],
  "a part that it does not know": ["flag:\n  a: true\n", /:1:1: unknown key `flag`/],
  "values of two kinds": ["flags:\n  a: { variations: { one: 1, two: two }, default: one }\n", /:2:35: .*int/],
  "a default that is no variation": ["flags:\n  a: { variations: { one: 1 }, default: two }\n", /:2:41: .*no variation `two`/],
  "no default": ["flags:\n  a: { rules: [] }\n", /:2:6: .*`default`/],
  "an unknown kind": ["flags:\n  a: { value: 1, kind: float }\n", /:2:24: .*`float`/],
  "a flag without a value": ["flags:\n  a:\n", /:2:\d+: .*has no value/],
  "a value and variations": ["flags:\n  a: { value: 1, variations: { one: 1 } }\n", /:2:\d+: .*`variations`/],
  "a name that it refuses": ["flags:\n  a b: true\n", /:2:3: .*`a b`/],
  "a group that is not there": ["flags:\n  a:\n    default: true\n    rules: [{ when: { group: staff }, serve: true }]\n", /:4:30: .*`staff`/],
  "a circle": ["flags:\n  a: { value: true, requires: { b: true } }\n  b: { value: true, requires: { a: true } }\n", /:2:3: `a`: its prerequisites lead back/],
  "broken syntax": ["flags: { a: true\n", /:\d+:\d+: /],
  "nothing in it": ["\n", /the file is empty/],
};

for (const [what, [flags, says]] of Object.entries(REFUSED)) {
  test(`no types for a file that the server refuses: ${what}`, async (t) => {
    const folder = tempDir(t);
    write(folder, { "flags.yaml": flags });
    const { code, output } = await flagwire(folder, ["types", "--flags", "flags.yaml"]);
    assert.equal(code, 1);
    assert.match(output, says);
    assert.match(output, /No types were written/);
    assert.equal(existsSync(join(folder, "flagwire-flags.d.ts")), false);
  });
}

test("check says of any file what the server's check says of it", async (t) => {
  const folder = tempDir(t);
  const corpus = join(root, "fuzz", "corpus", "flags_file");
  /** @type {Record<string, string | Buffer>} */
  const files = {
    "good.yaml": FLAGS,
    "warned.yaml": "flags: { a: { default: true, rules: [{ when: { age: { after: 5 } }, serve: false }] } }\n",
    "sample.yaml": readFileSync(join(root, "crates/flags-file/src/sample.yaml")),
    "latin1.yaml": Buffer.from("flags:\n  a: caf\xe9\n", "latin1"),
  };
  for (const [index, [text]] of Object.values(REFUSED).entries()) files[`refused-${index}.yaml`] = text;
  for (const name of readdirSync(corpus)) files[`corpus-${name}`] = readFileSync(join(corpus, name));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const names = Object.keys(files).sort();
  const [own, server] = [spawnSync(process.execPath, [join(packageDir, "cli.js"), "check", ...names], { cwd: folder, encoding: "utf8" }), spawnSync(serverBinary(), ["check", ...names], { cwd: folder, encoding: "utf8" })];
  assert.deepEqual([own.status, server.status], [1, 1]);
  assert.equal(withoutPatterns(own.stderr), withoutPatterns(server.stderr));
  const good = server.stdout.split("\n");
  assert.deepEqual(own.stdout.split("\n").filter((line) => good.includes(line)), good);
  assert.ok(good.length > 4 && server.stderr.split("\n").length > Object.keys(REFUSED).length);
});

/** The lines but for those about regular expressions, which only the server checks. @param {string} lines */
function withoutPatterns(lines) {
  return lines.split("\n").filter((line) => !line.includes("regular expression")).join("\n");
}

test("check takes flags.yaml where it is told nothing else, and says what it left out", async (t) => {
  const folder = tempDir(t);
  write(folder, { "flags.yaml": 'flags:\n  a: { default: true, rules: [{ when: { email: { matches: "@example\\\\.com$" } }, serve: false }] }\n' });
  const { code, output } = await flagwire(folder, ["check"]);
  assert.equal(code, 0);
  assert.equal(output, "flags.yaml: 1 flag, 0 groups, no mistakes\nflags.yaml: 1 regular expression was not checked; `flagwire-server check` does that\n");
  const missing = await flagwire(folder, ["check", "none.yaml"]);
  assert.equal(missing.code, 1);
  assert.match(missing.output, /none\.yaml cannot be read/);
});

/** Projects as tools set them up: the file of types belongs where the compiler looks. @type {Record<string, [files: Record<string, string>, place: string]>} */
const PROJECTS = {
  "everything below": [{ "tsconfig.json": "{}" }, "flagwire-flags.d.ts"],
  "a folder": [{ "tsconfig.json": '{ "include": ["tests", "src"] }' }, "src/flagwire-flags.d.ts"],
  "patterns, as in Next": [{ "tsconfig.json": '{ "include": ["next-env.d.ts", "**/*.ts", "**/*.tsx", ".next/types/**/*.ts"], "exclude": ["node_modules"] }' }, "flagwire-flags.d.ts"],
  "patterns of a folder, as in Vue": [{ "tsconfig.json": '{ "include": ["env.d.ts", "src/**/*.vue", "src/**/*.ts"] }' }, "src/flagwire-flags.d.ts"],
  "references, as in Vite": [
    {
      "tsconfig.json": '{ "files": [], "references": [{ "path": "./tsconfig.node.json" }, { "path": "./tsconfig.app.json" }] }',
      "tsconfig.app.json": '{\n  // comments\n  "compilerOptions": { "noEmit": true, /* and more */ },\n  "include": ["src"],\n}',
      "tsconfig.node.json": '{ "compilerOptions": { "noEmit": true }, "include": ["vite.config.ts"] }',
    },
    "src/flagwire-flags.d.ts",
  ],
  "what it extends, as in SvelteKit": [
    { "tsconfig.json": '{ "extends": "./.svelte-kit/tsconfig.json" }', ".svelte-kit/tsconfig.json": '{ "include": ["ambient.d.ts", "../vite.config.ts", "../src/**/*.js", "../src/**/*.ts"], "exclude": ["../node_modules/**"] }' },
    "src/flagwire-flags.d.ts",
  ],
  "another project's folder": [{ "tsconfig.json": '{ "files": [], "references": [{ "path": "web" }] }', "web/tsconfig.json": '{ "include": ["app"] }' }, "web/app/flagwire-flags.d.ts"],
  "all but a folder": [{ "tsconfig.json": '{ "include": ["a/**/*", "b"], "exclude": ["a"] }' }, "b/flagwire-flags.d.ts"],
};

for (const [what, [files, place]] of Object.entries(PROJECTS)) {
  test(`types are written where tsconfig.json reaches: ${what}`, async (t) => {
    const folder = project(t);
    write(folder, { ...files, "flags.yaml": FLAGS });
    const { code, output } = await flagwire(folder, ["types", "--flags", "flags.yaml"]);
    assert.equal(code, 0);
    assert.equal(output.trim(), `2 flags written to ${place}`);
    // The compiler itself says that it is among its files.
    const configs = Object.keys(files);
    const listed = [];
    for (const config of configs) {
      const { files: own = [] } = JSON.parse(await shown(folder, config));
      listed.push(...own.map((/** @type {string} */ file) => join(folder, config, "..", file)));
    }
    assert.ok(listed.includes(join(folder, place)), listed.join("\n"));

    // It stays where it is, and elsewhere it would not be seen.
    assert.match((await flagwire(folder, ["types", "--flags", "flags.yaml", "--check"])).output, /is up to date/);
    const elsewhere = await flagwire(folder, ["types", "--flags", "flags.yaml", "--out", "node_modules/flags.d.ts"]);
    assert.equal(elsewhere.code, 0);
    assert.match(elsewhere.output, new RegExp(`The compiler does not see node_modules/flags.d.ts: .*Write to ${place}`));
  });
}

/** @param {string} folder @param {string} config */
async function shown(folder, config) {
  return (await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--showConfig", "-p", config], { cwd: folder })).output;
}

test("in a project of Vite's a wrong name does not compile once types are written", async (t) => {
  const folder = project(t);
  const options = '"compilerOptions": { "noEmit": true, "module": "esnext", "moduleResolution": "bundler", "target": "es2022", "lib": ["es2022", "dom"], "types": [], "strict": true, "preserveSymlinks": true }';
  write(folder, {
    "flags.yaml": FLAGS,
    "tsconfig.json": '{ "files": [], "references": [{ "path": "./tsconfig.app.json" }] }',
    "tsconfig.app.json": `{ ${options}, "include": ["src"] }`,
    "src/main.ts": `${HEAD} client.variation("dark-mod", false);`,
  });
  assert.equal(await tsc(folder, ["-p", "tsconfig.app.json"]), "");
  await flagwire(folder, ["types", "--flags", "flags.yaml"]);
  assert.match(await tsc(folder, ["-p", "tsconfig.app.json"]), /^src\/main\.ts\(\d+,\d+\): error TS.*"dark-mod"/);
});

test("says how a file is included that the compiler does not see, or that there is no tsconfig.json", async (t) => {
  const folder = tempDir(t);
  write(folder, { "flags.yaml": FLAGS });
  assert.match((await flagwire(folder, ["types", "--flags", "flags.yaml"])).output, /There is no tsconfig\.json here/);
  write(folder, { "tsconfig.json": '{ "files": ["main.ts"] }' });
  assert.match((await flagwire(folder, ["types", "--flags", "flags.yaml"])).output, /Add "flagwire-flags\.d\.ts" to `include` in tsconfig\.json/);
  write(folder, { "tsconfig.json": '{ "files": ["main.ts", "flagwire-flags.d.ts"] }' });
  assert.doesNotMatch((await flagwire(folder, ["types", "--flags", "flags.yaml"])).output, /does not see/);
});

test("--check says what is out of date, and writes nothing", async (t) => {
  const folder = tempDir(t);
  write(folder, { "flags.yaml": FLAGS, "tsconfig.json": "{}" });
  const file = join(folder, "flagwire-flags.d.ts");
  const check = () => flagwire(folder, ["types", "--flags", "flags.yaml", "--check"]);
  const missing = await check();
  assert.equal(missing.code, 1);
  assert.match(missing.output, /flagwire-flags\.d\.ts does not exist/);
  assert.equal(existsSync(file), false);

  await flagwire(folder, ["types", "--flags", "flags.yaml"]);
  const written = readFileSync(file, "utf8");
  assert.equal((await check()).code, 0);
  // Git and formatters write other lines.
  writeFileSync(file, written.replaceAll("\n", "\r\n").replace('"theme": ', '"theme":\r\n      '));
  assert.equal((await check()).code, 0);

  write(folder, { "flags.yaml": "flags:\n  theme: { variations: { classic: classic, night: night }, default: classic }\n  new: 1\n" });
  const before = readFileSync(file, "utf8");
  const old = await check();
  assert.equal(old.code, 1);
  assert.match(old.output, /is out of date: it lacks new, and still has dark-mode, and has another type for theme\./);
  assert.equal(readFileSync(file, "utf8"), before);
});

test("prints the version and what it can do", async () => {
  const version = await flagwire(root, ["--version"]);
  assert.equal(version.code, 0);
  assert.equal(version.output.trim(), /^version = "([^"]+)"/m.exec(readFileSync(join(root, "Cargo.toml"), "utf8"))?.[1]);
  for (const args of [["--help"], ["help"], ["types", "--help"], ["check", "--help"]]) {
    const help = await flagwire(root, args);
    assert.equal(help.code, 0);
    assert.match(help.output, /npx flagwire (types|check)/);
  }
});

test("gives up a server that does not answer", async (t) => {
  const proxy = await startProxy(t, "http://127.0.0.1:9");
  proxy.decide = () => ({ refuse: "hang" });
  // Half a minute passes at once.
  const hurry = "const wait = AbortSignal.timeout; AbortSignal.timeout = (ms) => wait.call(AbortSignal, ms / 1000);";
  const { code, output } = await flagwire(root, ["types", "--base-url", proxy.url, "--api-key", "k"], { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hurry)}` });
  assert.equal(code, 1);
  assert.match(output, /did not answer in 30 seconds/);
});

for (
  const [what, args, says] of /** @type {const} */ ([
    ["no command", [], /npx flagwire types/],
    ["an unknown command", ["typse"], /There is no command typse/],
    ["an unknown option in a command's place", ["--flags"], /There is no option --flags/],
    ["no source", ["types"], /Give --flags, or --base-url and --api-key/],
    ["two sources", ["types", "--flags", "x.yaml", "--base-url", "http://127.0.0.1:9"], /Give either/],
    ["a missing file", ["types", "--flags", "no-such-file.yaml"], /no-such-file\.yaml cannot be read/],
    ["an unknown option", ["types", "--flag", "x"], /--flag/],
    ["an unreachable server", ["types", "--base-url", "http://127.0.0.1:9", "--api-key", "k"], /cannot be reached/],
  ])
) {
  test(`says what to do about ${what}`, async () => {
    const { code, output } = await flagwire(root, [...args]);
    assert.equal(code, 1);
    assert.match(output, says);
    assert.doesNotMatch(output, /^ {4}at /m);
  });
}
