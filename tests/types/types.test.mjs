// What must compile, what must not, and the types that `npx flagwire types` writes.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { FLAGS as KINDS } from "../lib/flags.mjs";
import { tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, SERVER_KEY, startServer } from "../lib/server.mjs";

const FLAGS = `${KINDS}  greeting: hello
`;
const OWN = { "dark-mode": "boolean", "free-shipping": "boolean", greeting: "string", limits: "Json", "page-size": "number", theme: '"classic" | "ocean"' };
const HEAD = `
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
function project(t) {
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
 * @param {string} module
 * @returns {Promise<string>} the compiler's complaints
 */
async function compile(folder, files, module = "bundler") {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const options = { target: "es2022", module: module === "bundler" ? "esnext" : module, moduleResolution: module, lib: ["es2022", "dom", "dom.iterable"], types: [], strict: true, noEmit: true, preserveSymlinks: true, skipLibCheck: false };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: Object.keys(files) }));
  const { code, output } = await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder, "--pretty", "false"], { cwd: folder });
  assert.equal(code === 0, output.trim() === "", output);
  return output.trim();
}

/** @param {typeof OWN} types */
const own = (types) => `import type { Json } from "flagwire";\ndeclare module "flagwire" { interface Flags { ${Object.entries(types).map(([name, type]) => `"${name}": ${type};`).join(" ")} } }\n`;

test("reads are typed from their defaults; any name goes", async (t) => {
  const source = `${HEAD}
is<boolean, ReturnType<typeof read>>();
function read() { return client.variation("anything", false); }
const text = client.variation("a", "x"); is<string, typeof text>();
const number = client.variation("a", 1); is<number, typeof number>();
const json = client.variation("a", { rps: 1 }); is<{ rps: number }, typeof json>();
const explicit = client.variation<boolean>("a", true); is<boolean, typeof explicit>();
const bool = client.boolVariation("a", true); is<boolean, typeof bool>();
const detail = client.numberVariationDetail("a", 1); is<number, typeof detail.value>();
const limits = client.jsonVariation<{ rps: number }>("a", { rps: 1 }); is<{ rps: number }, typeof limits>();
client.onFlag("a", (value, change) => void [value, change.identifier]);
client.on("changed", ({ flag, value }) => void [flag, value]);
initialize("key", { identifier: "u" }, { streamTransport: "fetch", cache: { ttl: 1 } }).close();
`;
  assert.equal(await compile(project(t), { "good.ts": source }), "");
});

test("with a project's own flags, reads have their types", async (t) => {
  const source = `${HEAD}
const theme = client.variation("theme", "classic"); is<"classic" | "ocean", typeof theme>();
const dark = client.variation("dark-mode", false); is<boolean, typeof dark>();
const size = client.numberVariation("page-size", 1); is<number, typeof size>();
client.stringVariation("theme", "classic");
client.boolVariation("dark-mode", false);
client.jsonVariation("limits", { rps: 1 });
`;
  assert.equal(await compile(project(t), { "flags.d.ts": own(OWN), "good.ts": source }), "");
});

for (const [what, line] of [
  ["an unknown flag", 'client.variation("dark-mod", false);'],
  ["a default of another type", 'client.variation("dark-mode", "on");'],
  ["a text that is none of the variations", 'client.variation("theme", "sunset");'],
  ["a comparison with what never comes", 'if (client.variation("theme", "classic") === "sunset") client.close();'],
  ["a flag of another kind", 'client.boolVariation("theme", false);'],
  ["a listener of an unknown flag", 'client.onFlag("dark-mod", () => {});'],
  ["an unknown flag in React", 'import { useFlag } from "flagwire/react"; useFlag("dark-mod", false);'],
  ["an unknown option", 'initialize("key", { identifier: "u" }, { pollInterval: 1 });'],
  ["a target without identifier", 'initialize("key", { name: "Ada" });'],
  ["an unknown event", 'client.on("change", () => {});'],
]) {
  test(`does not compile: ${what}`, async (t) => {
    const complaints = await compile(project(t), { "flags.d.ts": own(OWN), "bad.ts": HEAD + line });
    assert.match(complaints, /^bad\.ts\(\d+,\d+\): error TS/);
    assert.equal(complaints.split("\n").filter((complaint) => /^\S/.test(complaint)).length, 1, complaints);
  });
}

for (const module of ["bundler", "nodenext"]) {
  test(`all entries have types, with ${module} resolution`, async (t) => {
    const source = `
import { initialize } from "flagwire";
import { Event, initialize as start, type Result } from "flagwire/harness";
import { FlagwireProvider, useFlag } from "flagwire/react";
import { useFlag as vueFlag } from "flagwire/vue";
import { flag } from "flagwire/svelte";
import { FlagwireWebProvider } from "flagwire/openfeature";
import { initialize as withoutWasm } from "flagwire/javascript";
import { dehydrate, fetchEvaluations } from "flagwire/server";
const script: Promise<string> = fetchEvaluations("key", { identifier: "u" }, { baseUrl: "/", timeoutMs: 1 }).then(dehydrate);
const same: typeof initialize = withoutWasm;
const client: Result = start("key", { identifier: "u" });
client.on(Event.CHANGED, ({ flag, value }) => void [flag, value]);
void [initialize, FlagwireProvider, useFlag, vueFlag, flag, FlagwireWebProvider];
`;
    assert.equal(await compile(project(t), { "entries.mts": source }, module), "");
  });
}

for (const [what, args] of /** @type {const} */ ([
  ["a flags file", (/** @type {import("../lib/server.mjs").TestServer} */ server) => ["--flags", server.flagsFile]],
  ["a server and a server key", (/** @type {import("../lib/server.mjs").TestServer} */ server) => ["--base-url", server.url, "--api-key", SERVER_KEY]],
  ["a server and a client key", (/** @type {import("../lib/server.mjs").TestServer} */ server) => ["--base-url", server.url, "--api-key", CLIENT_KEY]],
])) {
  test(`types are written from ${what}`, async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const folder = project(t);
    const out = join(folder, "flags.d.ts");
    const { code, output } = await run(process.execPath, [join(packageDir, "cli.js"), "types", ...args(server), "--out", out], { cwd: folder });
    assert.equal(code, 0, output);
    assert.match(output, /^6 flags written/);
    const written = readFileSync(out, "utf8");
    const types = Object.fromEntries([...written.matchAll(/^ {4}"([^"]+)": (.+);$/gm)].map(([, name, type]) => [name, type]));
    // A client key tells one value of each flag.
    assert.deepEqual(types, what.includes("client key") ? { ...OWN, theme: "string" } : OWN);
    const good = `${HEAD} is<boolean, ReturnType<typeof read>>(); function read() { return client.variation("dark-mode", false); }`;
    assert.equal(await compile(folder, { "flags.d.ts": written, "good.ts": good }), "");
    assert.match(await compile(folder, { "flags.d.ts": written, "bad.ts": `${HEAD} client.variation("dark-mod", false);` }), /^bad\.ts/);
  });
}

for (const [what, args, says] of /** @type {const} */ ([
  ["no source", ["types"], /Give --flags, or --base-url and --api-key/],
  ["a missing file", ["types", "--flags", "no-such-file.yaml"], /no-such-file\.yaml cannot be read/],
  ["an unknown option", ["types", "--flag", "x"], /--flag/],
  ["an unreachable server", ["types", "--base-url", "http://127.0.0.1:9", "--api-key", "k"], /cannot be reached/],
])) {
  test(`says what to do about ${what}`, async () => {
    const { code, output } = await run(process.execPath, [join(packageDir, "cli.js"), ...args]);
    assert.equal(code, 1);
    assert.match(output, says);
    assert.doesNotMatch(output, /^ {4}at /m);
  });
}
