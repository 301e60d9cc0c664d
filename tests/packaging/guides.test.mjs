// Every block of TypeScript or JavaScript in the documents compiles against the package as users install it, and the pages that the
// guide renders on a server start with its values, hydrate without a mismatch and are live.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { buildSync } from "esbuild";
import { documents } from "../../scripts/lib/figures.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { serveFiles } from "../lib/files.mjs";
import { installPackage } from "../lib/install.mjs";
import { blocksOf } from "../lib/markdown.mjs";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const LANGUAGES = ["ts", "tsx", "js", "jsx"];
/** Compiled and run in tests/testing, where the test tools are. */
const ELSEWHERE_RUN = "docs/guides/testing.md";
const DOCUMENTS = ["README.md", "pkg-template/README.md", ...documents().filter((document) => document.startsWith("docs/") && document !== ELSEWHERE_RUN)];

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
  "docs/guides/server-rendering/app.tsx": `
    import { useFlag, useFlagwireClient, useFlagwireState } from "flagwire/react";
    export function App() {
      const theme = useFlag("theme", "none");
      return <html><head /><body><p>{theme}</p><small>{useFlagwireState().status} {useFlagwireClient() ? "with" : "without"} a client</small></body></html>;
    }
  `,
  "docs/guides/sveltekit/src/routes/$types.d.ts": "export type LayoutServerLoad = (event: { cookies: { get(name: string): string | undefined } }) => Promise<object>;\n",
  "env.d.ts": 'declare module "$env/dynamic/public" { export const env: Record<`PUBLIC_${string}`, string | undefined>; }\n',
  "vue.d.ts": 'declare module "*.vue" { const component: import("vue").Component; export default component; }\n',
};

const folder = mkdtempSync(join(import.meta.dirname, "guides-"));
after(() => rmSync(folder, { recursive: true, force: true }));
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
    if (origins.has(file)) throw new Error(`${document} shows ${path} twice`);
    origins.set(file, `${document}, from line ${line}`);
    // A module of its own, also where it imports nothing.
    write(file, `${text}export {};\n`);
  }
}

test("the blocks of all documents compile", async () => {
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

const RENDERED = "docs/guides/server-rendering";
const FLAGS = 'flags:\n  theme:\n    variations: { classic: "</script><!--", ocean: ocean, sunset: sunset }\n    default: ocean\n';

test("the guide's page of any server starts with its values, and is live", async (t) => {
  const { server, bundle, served } = await setUp(t);
  const { html } = await import(bundle(`${RENDERED}/html.ts`, "node"));
  bundle(`${RENDERED}/page.ts`, "browser");
  const { url, page } = await open(t, served, async (response) => void response.setHeader("Content-Type", "text/html").end(await html()));
  await page.locator("html.ocean").waitFor({ state: "attached", timeout: 0 });
  server.editFlags((text) => text.replace("default: ocean", "default: sunset"));
  await page.locator("html.sunset").waitFor({ state: "attached", timeout: 0 });
  assert.match(await (await fetch(url)).text(), /"value":"sunset"/);
});

test("the guide's page of React starts with its values, hydrates without a mismatch, and is live", async (t) => {
  const { server, bundle, served } = await setUp(t);
  const { render } = await import(bundle(`${RENDERED}/render.tsx`, "node"));
  bundle(`${RENDERED}/page.tsx`, "browser");
  const { url, page } = await open(t, served, (response) => render({ identifier: "anonymous" }, response.setHeader("Content-Type", "text/html")));
  assert.match((await (await fetch(url)).text()).replaceAll("<!-- -->", ""), /<p>ocean<\/p><small>cached without a client<\/small>/);
  await page.locator("small", { hasText: "ready with a client" }).waitFor({ timeout: 0 });
  assert.equal(await page.locator("p").textContent(), "ocean");
  server.editFlags((text) => text.replace("default: ocean", "default: classic"));
  await page.locator("p", { hasText: "</script><!--" }).waitFor({ timeout: 0 });
  assert.match(await (await fetch(url)).text(), /<p>&lt;\/script&gt;&lt;!--<\/p>/);
});

/**
 * A flag server, and a folder for what pages load.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 */
async function setUp(t) {
  const server = await startServer(t, { flags: FLAGS });
  const served = mkdtempSync(join(folder, "served-"));
  copyFileSync(join(packageDir, "flagwire.wasm"), join(served, "flagwire.wasm"));
  /** @param {string} file @param {"node" | "browser"} platform @returns what to import */
  const bundle = (file, platform) => {
    const outfile = join(served, platform === "node" ? "server.mjs" : "page.js");
    buildSync({
      entryPoints: [join(folder, file)],
      outfile,
      bundle: true,
      format: "esm",
      platform,
      target: platform === "node" ? "node20" : "es2022",
      jsx: "automatic",
      define: { KEY: JSON.stringify(CLIENT_KEY), FLAGS: JSON.stringify(server.url), "process.env.NODE_ENV": '"production"' },
      // React's own is CommonJS, and asks for Node's modules as such.
      banner: platform === "node" ? { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' } : {},
      logLevel: "warning",
    });
    return pathToFileURL(outfile).href;
  };
  return { server, served, bundle };
}

/**
 * Serves a page that is rendered for each request, beside the files of a folder, and opens it.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string} served
 * @param {(response: import("node:http").ServerResponse) => unknown} respond
 */
async function open(t, served, respond) {
  const files = await serveFiles(t, served);
  const server = createServer(async (request, response) => {
    if (request.url === "/") return void respond(response);
    const file = await fetch(files + request.url);
    response.writeHead(file.status, { "Content-Type": file.headers.get("content-type") ?? "" }).end(Buffer.from(await file.arrayBuffer()));
  });
  // Node ends an idle connection after five seconds, and a client that was busy so long may just be using it again: its request would fail.
  server.keepAliveTimeout = 0;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  atEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${address.port}/`;
  return { url, page: await openPage(t, browser, url) };
}

/** @param {string} file @param {string} text */
function write(file, text) {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}
