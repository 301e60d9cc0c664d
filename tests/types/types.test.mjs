// What must compile, what must not, and the types that `npx flagwire types` writes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FLAGS as KINDS } from "../lib/flags.mjs";
import { CLIENT_KEY, SERVER_KEY, startServer } from "../lib/server.mjs";
import { compile, COMPILERS, flagwire, HEAD, project, write } from "./support.mjs";

const FLAGS = `${KINDS}  greeting: hello
`;
const OWN = { "dark-mode": "boolean", "free-shipping": "boolean", greeting: "string", limits: "{ rps: number; regions: string[] }", "page-size": "number", theme: '"classic" | "ocean"' };
/** @param {Record<string, string>} types */
const own = (types) => `export {};\ndeclare module "flagwire" { interface Flags { ${Object.entries(types).map(([name, type]) => `"${name}": ${type};`).join(" ")} } }\n`;

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
const limits = client.jsonVariation("limits", { rps: 1, regions: [] }); is<Flags["limits"], typeof limits>();
`;
  assert.equal(await compile(project(t), { "flags.d.ts": own(OWN), "good.ts": source }), "");
});

const SHAPES = {
  ...OWN,
  banner: "{ text: string; link?: string; tags: string[] } | null",
  made: "unknown",
  any: "Json",
};

// What an application has in it before its types are written, and what it gains by them.
for (const [name, compiler] of Object.entries(COMPILERS)) {
  for (const options of [{}, { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true }]) {
    test(`values of json flags have their shapes, with ${name} and ${JSON.stringify(options)}`, async (t) => {
      const source = `${HEAD}
import { type Json, type FlagValues } from "flagwire";
import { useFlag, useFlags } from "flagwire/react";
import { useFlag as vueFlag, useFlags as vueFlags } from "flagwire/vue";
import { flag, flags } from "flagwire/svelte";
interface Banner { text: string; link?: string; tags: string[] }
interface Limits { rps: number; regions: string[] }
declare const banner: Banner;
declare const fixed: { readonly text: "hi"; readonly tags: readonly ["a", "b"] };
type Shape = Flags["banner"];

// Interfaces, what is read-only and what is written in place are defaults alike, and the result goes where it went before.
const one = client.variation("banner", banner); is<Shape, typeof one>();
const same: Banner | null = client.variation("banner", banner);
const two = client.variation("banner", fixed); is<Shape, typeof two>();
const three = client.variation("banner", { text: "", tags: [] }); is<string | undefined, NonNullable<typeof three>["link"]>();
const four = client.variation("banner", null); is<Shape, typeof four>();
const limits: Limits = client.jsonVariation("limits", { rps: 1, regions: ["eu"] });
// The type may be written out.
const five = client.variation<Banner>("banner", banner); is<Banner, typeof five>();
const six = client.jsonVariation<Banner>("banner", banner); is<Banner, typeof six>();
const seven = useFlag<boolean>("dark-mode", false); is<boolean, typeof seven>();
// A name that is one of several.
declare const either: "theme" | "page-size";
const eight = client.variation(either, "classic"); is<number | "classic" | "ocean", typeof eight>();
// A shape that is not known, and one that may be any.
const nine = client.variation("made", banner); is<Banner, typeof nine>();
const ten = client.variation("any", banner); is<Banner, typeof ten>();
const eleven = client.variation("any", { rps: 1 }); is<Json, typeof eleven>();
const twelve = client.jsonVariation("made", { rps: 1 }); is<{ rps: number }, typeof twelve>();

client.onFlag("theme", (value, change) => (is<"classic" | "ocean" | undefined, typeof value>(), is<typeof value, typeof change.value>()));
client.onFlag("limits", (value) => value?.regions.join());
client.onFlag("made", (value) => is<Json | undefined, typeof value>());
client.onFlag("theme", (value: Json | undefined) => void value);
const all = client.flags(); is<FlagValues, typeof all>();
const theme = all.theme; is<"classic" | "ocean" | undefined, typeof theme>();
const plain: { readonly [flag: string]: Json } = all;
for (const [name, value] of Object.entries(client.flags())) void [name.length, value satisfies Json];

const hook = useFlag("banner", banner); is<Shape, typeof hook>();
const hooks = useFlags().banner; is<Shape | undefined, typeof hooks>();
const ref = vueFlag("banner", banner).value; is<Shape, typeof ref>();
const refs = vueFlags().value.banner; is<Shape | undefined, typeof refs>();
flag("banner", banner).subscribe((value) => is<Shape, typeof value>());
flags().subscribe((value) => is<boolean | undefined, typeof value["dark-mode"]>());
void [same, limits, plain, initialize];
`;
      assert.equal(await compile(project(t), { "flags.d.ts": own(SHAPES).replace("export {}", 'import type { Json } from "flagwire"'), "good.ts": source }, { compiler, options }), "");
    });
  }
}

test("types by hand from before compile as they did", async (t) => {
  const flags = `
import type { Json } from "flagwire";
interface Limits { rps: number }
declare module "flagwire" { interface Flags { "dark-mode": boolean; theme: "classic" | "ocean"; any: Json; limits: Limits } }
`;
  const source = `${HEAD}
import type { Change, Json, FlagName, FlagDefault, FlagValue } from "flagwire";
let json = client.variation("any", { rps: 1 }); if (typeof json === "string") json.length; json = [1];
client.onFlag("limits", (value: Json | undefined, change: Change) => void [value, change.value]);
client.jsonVariation("limits", { other: 1 }).other;
client.jsonVariation<{ rps: number }>("any", { rps: 1 }).rps;
client.flags()["some other"];
function read<N extends FlagName, T extends FlagDefault<N>>(name: N, value: T): FlagValue<N, T> { return client.variation<T, N>(name, value); }
is<boolean, ReturnType<typeof dark>>(); function dark() { return read("dark-mode", false); }
`;
  assert.equal(await compile(project(t), { "flags.ts": flags, "good.ts": source }), "");
});

for (const [name, compiler] of Object.entries(COMPILERS)) {
  for (const type of ["module", "commonjs"]) {
    test(`modules of both kinds have the project's own flags, in a package of type ${type}, with ${name}`, async (t) => {
      const folder = project(t);
      write(folder, { "package.json": JSON.stringify({ type }) });
      const source = `
import { initialize } from "flagwire";
import { useFlag } from "flagwire/react";
const theme: "classic" | "ocean" = initialize("key", { identifier: "u" }).variation("theme", "classic");
useFlag("them", theme);
`;
      const complaints = await compile(folder, { "flags.d.ts": own(OWN), "a.ts": source, "b.mts": source, "c.cts": source }, { module: "nodenext", compiler });
      assert.deepEqual(complaints.match(/^\S+?(?=\(5,9\): error)/gm), ["a.ts", "b.mts", "c.cts"], complaints);
      assert.equal(complaints.match(/^\S+\(/gm)?.length, 3, complaints);
    });
  }
}

test("a project with one flag has its type", async (t) => {
  const source = `${HEAD} const theme = client.variation("theme", "classic"); is<"classic" | "ocean", typeof theme>();`;
  assert.equal(await compile(project(t), { "flags.d.ts": own({ theme: OWN.theme }), "good.ts": source }), "");
});

test("a test client takes the project's own flags, and some of them", async (t) => {
  const source = `${HEAD}
import { testClient, type TestClient, type TestFlags } from "flagwire/testing";
import { FlagwireProvider } from "flagwire/react";
interface Limits { rps: number; regions: string[] }
declare const limits: Limits;
const flags: TestFlags = { "dark-mode": true, theme: "ocean", limits, banner: null, made: { any: ["thing"] }, "page-size": undefined };
const made: TestClient = testClient(flags, { target: { identifier: "u" }, state: { status: "stale", reason: "stream" }, flagsOf: ({ attributes }) => (attributes ? { theme: "classic" } : undefined) });
made.set("theme", "classic");
made.set({ theme: "classic", limits: { rps: 1, regions: [] } });
made.remove("banner");
const theme = made.variation("theme", "classic"); is<"classic" | "ocean", typeof theme>();
const reads = made.reads("theme"); is<number, typeof reads>();
const same: Client = made;
FlagwireProvider({ client: made });
void [initialize, same, reads];
`;
  assert.equal(await compile(project(t), { "flags.d.ts": own(SHAPES).replace("export {}", 'import type { Json } from "flagwire"'), "good.ts": source }), "");
});

test("without types of its own a project may name any flag in a test client", async (t) => {
  const source = `${HEAD}
import { testClient } from "flagwire/testing";
interface Banner { text: string }
declare const banner: Banner;
testClient({ anything: true, n: 5, text: "x", banner, unset: undefined }, { unknownFlags: "default" }).set("anything", { a: 1 });
void [initialize];
`;
  assert.equal(await compile(project(t), { "good.ts": source }, { options: { exactOptionalPropertyTypes: true } }), "");
});

for (
  const [entry, line] of [
    ["react", 'import { useFlag } from "flagwire/react"; useFlag("dark-mod", false);'],
    ["vue", 'import { useFlag } from "flagwire/vue"; useFlag("dark-mod", false);'],
    ["svelte", 'import { flag } from "flagwire/svelte"; flag("dark-mod", false);'],
    ["testing", 'import { testClient } from "flagwire/testing"; testClient().remove("dark-mod");'],
  ]
) {
  test(`the project's own flags hold where flagwire/${entry} alone is imported`, async (t) => {
    const complaints = await compile(project(t), { "flags.d.ts": own(OWN), "bad.ts": line });
    assert.match(complaints, /^bad\.ts\(1,\d+\): error TS.*dark-mod/);
  });
}

for (
  const [what, line] of [
    ["a test client with an unknown flag", 'import { testClient } from "flagwire/testing"; testClient({ "dark-mod": true });'],
    ["a test client with a value of another type", 'import { testClient } from "flagwire/testing"; testClient({ "dark-mode": "on" });'],
    ["a test client that sets an unknown flag", 'import { testClient } from "flagwire/testing"; testClient({}).set("dark-mod", true);'],
    ["a test client that sets one of several to what it cannot be", 'import { testClient } from "flagwire/testing"; testClient({}).set({ theme: "sunset" });'],
    ["a test client in a state that no test can bring", 'import { testClient } from "flagwire/testing"; testClient({}).become({ status: "stale", reason: "internal" });'],
    ["an unknown flag", 'client.variation("dark-mod", false);'],
    ["an override of an unknown flag", 'client.override("dark-mod", true);'],
    ["an override of another type", 'client.override("dark-mode", "on");'],
    ["a default of another type", 'client.variation("dark-mode", "on");'],
    ["a text that is none of the variations", 'client.variation("theme", "sunset");'],
    ["a comparison with what never comes", 'if (client.variation("theme", "classic") === "sunset") client.close();'],
    ["a flag of another kind", 'client.boolVariation("theme", false);'],
    ["a default of another shape", 'client.variation("limits", { rps: "1", regions: [] });'],
    ["a default that lacks something", 'client.variation("limits", { rps: 1 });'],
    ["a comparison in a listener with what never comes", 'client.onFlag("theme", (value) => value === "sunset");'],
    ["a listener of an unknown flag", 'client.onFlag("dark-mod", () => {});'],
    ["an unknown flag in React", 'import { useFlag } from "flagwire/react"; useFlag("dark-mod", false);'],
    ["an unknown option", 'initialize("key", { identifier: "u" }, { pollInterval: 1 });'],
    ["a target without identifier", 'initialize("key", { name: "Ada" });'],
    ["an unknown event", 'client.on("change", () => {});'],
  ]
) {
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
import { FFContextProvider, TestWrapper, useFeatureFlag } from "flagwire/harness/react";
import { FlagwireProvider, useFlag } from "flagwire/react";
import { useFlag as vueFlag } from "flagwire/vue";
import { flag } from "flagwire/svelte";
import { FlagwireWebProvider } from "flagwire/openfeature";
import { initialize as withoutWasm } from "flagwire/javascript";
import { dehydrate, fetchEvaluations } from "flagwire/server";
import { testClient } from "flagwire/testing";
import { localOverrides, type OverridesOptions } from "flagwire/overrides";
const kept: OverridesOptions = { cookie: true };
initialize("key", { identifier: "u" }, { overrides: localOverrides(kept) }).override("any", 5, { lasts: "tab" });
const script: Promise<string> = fetchEvaluations("key", { identifier: "u" }, { baseUrl: "/", timeoutMs: 1 }).then(dehydrate);
const same: typeof initialize = withoutWasm;
const client: Result = start("key", { identifier: "u" });
client.on(Event.CHANGED, ({ flag, value }) => void [flag, value]);
void [initialize, FFContextProvider, TestWrapper, useFeatureFlag, FlagwireProvider, useFlag, vueFlag, flag, FlagwireWebProvider, testClient];
`;
    assert.equal(await compile(project(t), { "entries.mts": source }, { module }), "");
  });
}

for (
  const [what, args] of /** @type {const} */ ([
    ["a flags file", (/** @type {import("../lib/server.mjs").TestServer} */ server) => ["--flags", server.flagsFile]],
    ["a server and a server key", (/** @type {import("../lib/server.mjs").TestServer} */ server) => ["--base-url", server.url, "--api-key", SERVER_KEY]],
    ["a server and a client key", (/** @type {import("../lib/server.mjs").TestServer} */ server) => ["--base-url", server.url, "--api-key", CLIENT_KEY]],
  ])
) {
  test(`types are written from ${what}`, async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const folder = project(t);
    const out = join(folder, "flags.d.ts");
    const { code, output } = await flagwire(folder, ["types", ...args(server), "--out", out]);
    assert.equal(code, 0, output);
    assert.match(output, /^6 flags written/);
    const written = readFileSync(out, "utf8");
    const types = Object.fromEntries([...written.matchAll(/^ {4}"([^"]+)": (.+);$/gm)].map(([, name, type]) => [name, type]));
    // A client key tells one value of each flag.
    assert.deepEqual(types, what.includes("client key") ? { ...OWN, theme: "string", limits: "unknown" } : OWN);
    const good = `${HEAD} is<boolean, ReturnType<typeof read>>(); function read() { return client.variation("dark-mode", false); }`;
    assert.equal(await compile(folder, { "flags.d.ts": written, "good.ts": good }), "");
    assert.match(await compile(folder, { "flags.d.ts": written, "bad.ts": `${HEAD} client.variation("dark-mod", false);` }), /^bad\.ts/);
  });
}
