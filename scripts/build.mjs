// `npm run build`: the npm package, into pkg/.
//
// 1. cargo makes the module, wasm-bindgen its glue (`--target web`).
// 2. The module's imports become numbers. esbuild puts the glue and the facade (pkg-template/src) together, and gives the exports
//    short names on the JavaScript side; the same names are written into the module. The other entries (React, …) import the main one
//    by the package's name, so that an application has one client library whichever entries it uses.
// 3. wasm-opt makes the module smaller, tsc writes the types.
//
// The command line has a module of its own, which reads flags files. The page's module is made twice: once more for wasm2js, whose script takes its place in pages that forbid WebAssembly.
//
// `npm run build -- --fast` makes a package for trying an edit by hand, in seconds: the module is hardly optimised, and there is no JavaScript
// build of the core. It is marked as private, so that nobody publishes it.

import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { build } from "esbuild";
import { instantiable } from "./lib/glue.mjs";
import { npmInstall } from "./lib/npm.mjs";
import { root } from "./lib/paths.mjs";
import { packageDir, packageStamp } from "./lib/products.mjs";
import { Plain } from "./lib/run.mjs";
import { script, Steps } from "./lib/steps.mjs";
import { version } from "./lib/version.mjs";
import { bind, compile, shrink, tool, translate } from "./lib/wasm-module.mjs";
import { names, rename } from "./lib/wasm-names.mjs";

const template = join(root, "pkg-template");
/** The place of a module beside, in generated types. */
const RELATIVE = /"(\.\.?)\/([\w/-]+)"/g;
/** Made on the way; kept to look at. */
const work = join(root, "target", "npm");
const bindings = join(work, "bindings");
const fallbackBindings = join(work, "fallback");
const cliBindings = join(work, "cli");
const module = "flagwire.wasm";
/** Entries beside the main one; files of pkg-template/src. */
const ENTRIES = ["harness", "harness/react", "openfeature", "react", "server", "svelte", "vue"];
/** Entries that answer the client's requests in tests. */
const SERVED = ["testing/msw", "testing/playwright"];
const NO_FALLBACK = 'throw new Error("Flagwire was built without its JavaScript build");\n';
/** Entries for developers' own pages, which share the short names of the main entry. */
const DEVELOPERS = ["overrides"];
/** What entries import and users install. */
const PEERS = ["react", "vue", "svelte", "svelte/store", "@openfeature/web-sdk"];

const fast = process.argv.includes("--fast");

await script(async () => {
  const steps = new Steps(fast ? 6 : 7);
  await steps.run("npm dependencies", (step) => npmInstall(root, { step }));
  const raw = await steps.run("wasm module", (step) => compile(step, { fast }));
  const mvp = fast ? undefined : await steps.run("wasm module for the JavaScript build", (step) => compile(step, { mvp: true }));
  const cli = await steps.run("wasm module of the command line", (step) => compile(step, { crate: "flagwire-npm-cli", fast }));
  await steps.run("bindings", async (step) => {
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    if (raw) await bind(raw, bindings, step);
    if (mvp) await bind(mvp, fallbackBindings, step);
    if (cli) await bind(cli, cliBindings, step);
    if (raw) shorten(bindings);
    // wasm2js makes variables of the names of modules, and another could be a function's. The script is never of another version.
    if (mvp) shorten(fallbackBindings, "glue");
  });
  await steps.run("package", bundle);
  await steps.run("types", types);
});

/**
 * Makes the glue a function, and writes the module to go with it as `numbered.wasm`: an import's long name with a hash in it would
 * be there twice.  *
 * @param {string} folder
 * @param {string} [from] the name of what it imports from. By default a hash of it all: glue and module of two versions, as they meet
 *   while a site is deployed, would call each other's functions by wrong numbers. So they do not fit, and the JavaScript build is used.
 */
function shorten(folder, from) {
  const wasm = readFileSync(join(folder, "flagwire_bg.wasm"));
  from ??= `w${createHash("sha256").update(version()).update(wasm).digest("hex").slice(0, 3)}`;
  const { script, imports } = instantiable(readFileSync(join(folder, "flagwire.js"), "utf8"), from);
  writeFileSync(join(folder, "bindings.js"), script);
  writeFileSync(
    join(folder, "numbered.wasm"),
    rename(wasm, ({ module, name }) => {
      if (module === undefined) return { name };
      if (!imports.includes(name)) throw new Plain(`the module imports ${name}, and its glue has no such function; look at scripts/lib/glue.mjs`);
      return { module: from, name: String(imports.indexOf(name)) };
    }),
  );
}

/** @param {import("./lib/steps.mjs").Step} step */
async function bundle(step) {
  rmSync(packageDir, { recursive: true, force: true });
  mkdirSync(packageDir, { recursive: true });
  // `npm start` and the tests make the whole package again.
  if (fast) rmSync(packageStamp, { force: true });
  const wasm = readFileSync(join(bindings, "numbered.wasm"));
  // The glue reads the memory's buffer, so that name is the platform's as well.
  const long = names(wasm).flatMap(({ module, name }) => (module === undefined && name !== "memory" ? name : []));
  /** @type {import("esbuild").BuildOptions} */
  const common = {
    outdir: packageDir,
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    minify: true,
    sourcemap: true,
    legalComments: "none",
    define: { VERSION: JSON.stringify(version()), DEVELOPMENT: "false", TESTING: "false" },
    logLevel: "warning",
  };
  const glue = redirect(/\/bindings\.js$/, () => ({ path: join(bindings, "bindings.js") }));
  // Names once given hold for all builds of the core.
  const mangle = { mangleProps: new RegExp(`^(${long.map(escaped).join("|")}|[A-Za-z]\\w*_)$`), mangleQuoted: true };
  // Loaded only where it is needed.
  const apart = redirect(/^\.\/fallback$/, () => ({ path: "./fallback.js", external: true }));
  const { mangleCache = {} } = await build({ ...common, ...mangle, mangleCache: {}, entryPoints: [source("index")], plugins: [glue, apart] });
  await bundleFallback({ ...common, ...mangle, mangleCache, sourcemap: false });

  /** @param {string} name */
  const short = (name) => (typeof mangleCache[name] === "string" ? mangleCache[name] : name);
  const renamed = join(work, "renamed.wasm");
  writeFileSync(
    renamed,
    rename(wasm, ({ module, name }) => {
      if (module !== undefined) return { module, name };
      // An export that has no short name occurs nowhere in the JavaScript.
      return name === "memory" || name in mangleCache ? { name: short(name) } : undefined;
    }),
  );
  if (fast) copyFileSync(renamed, join(packageDir, module));
  else shrink(renamed, join(packageDir, module));

  // The same facade over other ways to load the core. Node has the module in the script, edge runtimes get it compiled.
  const inside = redirect(/^\.\/flagwire\.wasm$/, () => ({ path: join(packageDir, module) }));
  const outside = redirect(/\.wasm\?module$/, ({ path }) => ({ path, external: true }));
  /** @param {string} entry @param {string} facade @param {string} loader @param {import("esbuild").BuildOptions} [more] */
  const variant = (entry, facade, loader, more) => {
    const load = redirect(/^\.\/wasm$/, ({ importer }) => (importer.endsWith("client.ts") ? { path: source(loader) } : undefined));
    return build({ ...common, ...mangle, mangleCache, entryPoints: { [entry]: source(facade) }, plugins: [glue, load, inside, outside, apart], ...more });
  };
  /** @type {import("esbuild").BuildOptions} */
  const developing = { define: { ...common.define, DEVELOPMENT: "true" } };
  await variant("development", "index", "wasm", developing);
  // On servers the sentences cost nobody anything.
  /** @type {import("esbuild").BuildOptions} */
  const node = { ...developing, platform: "node", target: "node20", loader: { ".wasm": "binary" } };
  await variant("node", "node", "wasm-node", node);
  await variant("node", "node", "wasm-node", { ...node, format: "cjs", outExtension: { ".js": ".cjs" } });
  await variant("edge", "node", "wasm-edge", developing);
  await variant("javascript", "index", "wasm-none");
  // What test environments that act as a browser require. Nothing is loaded, and a WebAssembly module need not be compiled for it.
  const whole = redirect(/\/bindings\.js$/, () => ({ path: join(fallbackBindings, "bindings.js") }));
  const none = redirect(/^\.\/wasm$/, ({ importer }) => (importer.endsWith("client.ts") ? { path: source("wasm-none") } : undefined));
  const cjs = { ...developing, format: /** @type {const} */ ("cjs"), outExtension: { ".js": ".cjs" } };
  if (existsSync(fallbackBindings)) await build({ ...common, ...mangle, mangleCache, ...cjs, entryPoints: { javascript: source("index") }, plugins: [whole, none] });
  else writeFileSync(join(packageDir, "javascript.cjs"), NO_FALLBACK);

  // The client on a map. Its errors are of the main entry's class, so that `instanceof` holds.
  const failure = redirect(/^\.\.?\/failure$/, () => ({ path: "flagwire", external: true }));
  /** @type {import("esbuild").BuildOptions} */
  const testing = { ...common, ...mangle, mangleCache, define: { ...common.define, DEVELOPMENT: "true", TESTING: "true" }, entryPoints: [source("testing")], plugins: [glue, apart, failure] };
  await build(testing);
  // One map is enough to see what it is made of.
  await build({ ...testing, format: "cjs", sourcemap: false, outExtension: { ".js": ".cjs" } });
  /** @type {import("esbuild").BuildOptions} */
  const developers = { ...common, ...mangle, mangleCache, entryPoints: DEVELOPERS.map(source), plugins: [glue, apart, failure] };
  await build(developers);
  await build({ ...developers, format: "cjs", sourcemap: false, outExtension: { ".js": ".cjs" } });
  /** @type {import("esbuild").BuildOptions} */
  const served = { ...testing, sourcemap: false, outdir: join(packageDir, "testing"), entryPoints: SERVED.map(source), outbase: join(template, "src", "testing"), external: ["@playwright/test", "msw", "node:*"] };
  await build(served);
  await build({ ...served, format: "cjs", outExtension: { ".js": ".cjs" } });

  const main = redirect(/^\.\/index$/, () => ({ path: "flagwire", external: true }));
  const dropIn = redirect(/^\.\.\/harness$/, () => ({ path: "flagwire/harness", external: true }));
  const entries = { ...common, external: PEERS, plugins: [main, dropIn] };
  await build({ ...entries, entryPoints: ENTRIES.map(source) });
  // Svelte itself has no CommonJS: Node requires its modules, and Jest what its settings tell it to transform.
  await build({ ...entries, format: "cjs", outExtension: { ".js": ".cjs" }, entryPoints: ENTRIES.map(source) });

  await build({
    ...common,
    entryPoints: { cli: join(template, "cli", "cli.mjs") },
    platform: "node",
    target: "node20",
    sourcemap: false,
    // What it includes is CommonJS and asks for Node's modules as such.
    banner: { js: '#!/usr/bin/env node\nimport{createRequire}from"node:module";const require=createRequire(import.meta.url);' },
    plugins: [redirect(/\/crate\.mjs$/, () => ({ path: join(cliBindings, "flagwire.js") }))],
  });
  shrink(join(cliBindings, "flagwire_bg.wasm"), join(packageDir, "cli.wasm"));
  copyFileSync(join(root, "node_modules", "@babel", "parser", "LICENSE"), join(packageDir, "LICENSE-babel-parser"));

  for (const file of filesOf(".map")) withoutText(join(packageDir, file));
  const manifest = { ...JSON.parse(readFileSync(join(template, "package.json"), "utf8")), version: version(), ...(fast && { private: true }) };
  writeFileSync(join(packageDir, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  copyFileSync(join(template, "README.md"), join(packageDir, "README.md"));
  copyFileSync(join(root, "LICENSE"), join(packageDir, "LICENSE"));
  step.done("built into pkg/");
}

/**
 * The core as JavaScript, for pages that may not run WebAssembly, in the module's place in glue of its own.
 *
 * @param {import("esbuild").BuildOptions} options
 */
async function bundleFallback(options) {
  if (!existsSync(fallbackBindings)) {
    writeFileSync(join(packageDir, "fallback.js"), NO_FALLBACK);
    return;
  }
  const script = join(work, "module.js");
  translate(join(fallbackBindings, "numbered.wasm"), script);
  const glue = readFileSync(join(fallbackBindings, "bindings.js"), "utf8").replace("await WebAssembly.instantiate(module, ", "new Instance(");
  const standIn = readFileSync(script, "utf8").replace("function instantiate(", "function translated(");
  writeFileSync(join(fallbackBindings, "bindings.js"), `${standIn}\nfunction Instance(imports) { this.exports = translated(imports); }\n${glue}`);
  const own = redirect(/\/bindings\.js$/, () => ({ path: join(fallbackBindings, "bindings.js") }));
  await build({ ...options, entryPoints: [source("fallback")], plugins: [own] });
}

/**
 * Takes the sources' text out of a source map: it was half of the package. What is left names files and lines in stack traces. The texts are
 * empty and not missing, because tools read what is missing, and warn where that is not there; names lead nowhere for the same reason.
 *
 * @param {string} path
 */
function withoutText(path) {
  const map = JSON.parse(readFileSync(path, "utf8"));
  const sources = map.sources.map((/** @type {string} */ source) => `flagwire:///${source.replace(/^(?:\.\.\/)+(?:pkg-template\/)?/, "")}`);
  writeFileSync(path, JSON.stringify({ ...map, sources, sourcesContent: sources.map(() => "") }));
}

function types() {
  tool(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", template]);
  // What the entries do not lead to is nobody's business.
  const reached = new Set();
  /** @param {string} name */
  const visit = (name) => {
    if (reached.has(name)) return;
    reached.add(name);
    for (const [, up, next] of readFileSync(join(packageDir, `${name}.d.ts`), "utf8").matchAll(RELATIVE)) visit(posix.join(posix.dirname(name), String(up), String(next)));
  };
  ["index", "testing", ...SERVED, ...DEVELOPERS, ...ENTRIES].forEach(visit);
  for (const file of filesOf(".d.ts")) {
    const path = join(packageDir, file);
    const text = readFileSync(path, "utf8");
    rmSync(path);
    if (!reached.has(file.slice(0, -".d.ts".length))) continue;
    // Node's resolution wants extensions, and a file of its own for CommonJS.
    // A project adds to the interface of the main entry, which compilers do not look for where a program imports other entries alone.
    const main = file === "flags.d.ts" ? 'import type {} from "./index.js";\n' : "";
    writeFileSync(path, text.replaceAll(RELATIVE, '"$1/$2.js"') + main);
    // The interface that projects fill in is one and the same for both: a project's file of types belongs to one module system alone.
    const common = file === "flags.d.ts" ? 'export type * from "./flags.js" with { "resolution-mode": "import" };\n' : text.replaceAll(RELATIVE, '"$1/$2.cjs"');
    writeFileSync(path.replace(/\.ts$/, ".cts"), common);
  }
  // A file of its own for resolution that knows no exports.
  for (const [types, script] of [["d.ts", "js"], ["d.cts", "cjs"]]) writeFileSync(join(packageDir, `javascript.${types}`), `export * from "./index.${script}";\n`);
}

/** The package's files with an ending, by their paths in it. @param {string} ending @returns {string[]} */
function filesOf(ending) {
  return readdirSync(packageDir, { encoding: "utf8", recursive: true })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.endsWith(ending));
}

/** @param {string} name */
function source(name) {
  return join(template, "src", `${name}.ts`);
}

/**
 * @param {RegExp} filter
 * @param {(args: import("esbuild").OnResolveArgs) => import("esbuild").OnResolveResult | undefined} to
 * @returns {import("esbuild").Plugin}
 */
function redirect(filter, to) {
  return { name: "redirect", setup: (build) => build.onResolve({ filter }, to) };
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
