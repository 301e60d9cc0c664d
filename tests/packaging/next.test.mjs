// The guide's files in projects of Next as `create-next-app` makes them, built by each of its bundlers: pages rendered on the server
// with the flags of the request, hydrated in Chromium and live there; and a route on the edge. `npm test` builds the project that
// `create-next-app` makes by default, `npm test -- all` each kind.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { run } from "../../scripts/lib/run.mjs";
import { startService } from "../../scripts/lib/services.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { everything } from "../lib/everything.mjs";
import { filesOf } from "../lib/files.mjs";
import { installPackage } from "../lib/install.mjs";
import { writeFiles } from "../lib/markdown.mjs";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const FLAGS = `flags:
  theme:
    variations: { classic: "</script><!--", ocean: ocean, sunset: sunset }
    default: classic
    targets: { sunset: [maya] }
`;
const modules = join(import.meta.dirname, "node_modules");
const next = join(modules, "next/dist/bin/next");

// Next itself must be found from its projects, as in a user's; so must the package, which is installed once for all of them.
const parent = mkdtempSync(join(import.meta.dirname, "next-app-"));
after(() => rmSync(parent, { recursive: true, force: true }));
writeFileSync(join(parent, "package.json"), '{ "private": true }');
await installPackage(parent);
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", XDG_CONFIG_HOME: join(parent, "config") };

/** What is not in the guide. @type {Record<string, string>} */
const EDGE = {
  "app/edge/route.ts": `
    import { dehydrate, fetchEvaluations } from "flagwire/server";
    export const runtime = "edge";
    export async function GET() {
      const baseUrl = process.env.NEXT_PUBLIC_FLAGWIRE_URL;
      return new Response(dehydrate(await fetchEvaluations("${CLIENT_KEY}", { identifier: "user-42" }, { baseUrl })));
    }`,
};
/** A target that is the same for everybody, and nothing else that says that the page is for a request: the values are still those of the request. @type {Record<string, string>} */
const FIXED = {
  "app/fixed/page.tsx": `
    import { Suspense } from "react";
    import { fetchEvaluations } from "flagwire/server";
    async function Values() {
      const [theme] = await fetchEvaluations("${CLIENT_KEY}", { identifier: "maya" }, { baseUrl: process.env.NEXT_PUBLIC_FLAGWIRE_URL });
      return <p>{theme?.value}</p>;
    }
    export default function Page() {
      return <Suspense><Values /></Suspense>;
    }`,
};

const projects = [
  { name: "turbopack", scaffold: ["--yes"], bundler: "turbopack", cacheComponents: true, files: FIXED },
  // Next allows no route of the edge with cacheComponents, and with webpack builds none, not even one that imports nothing.
  { name: "turbopack, rendered whole", scaffold: ["--yes"], bundler: "turbopack", cacheComponents: false, files: { ...FIXED, ...EDGE } },
  // The Tailwind of its projects is a loader of Turbopack's; without it an empty project has no style sheet.
  { name: "webpack", scaffold: ["--yes", "--no-tailwind"], bundler: "webpack", cacheComponents: true, files: { "app/globals.css": "" } },
];
for (const { name, scaffold, bundler, cacheComponents, files } of everything ? projects : projects.slice(0, 1)) {
  test(`the guide's page in a project of create-next-app, built with ${name}`, async (t) => {
    const root = join(parent, name.replaceAll(/\W+/g, "-"));
    const create = join(modules, "create-next-app/dist/index.js");
    const created = await run(process.execPath, [create, root, "--empty", ...scaffold, "--use-npm", "--skip-install", "--disable-git"], { cwd: parent, env });
    assert.equal(created.code, 0, created.output);
    const config = readFileSync(join(root, "next.config.ts"), "utf8");
    assert.match(config, /cacheComponents: true/, "what create-next-app writes by default has changed");
    if (!cacheComponents) writeFileSync(join(root, "next.config.ts"), config.replace(/^ *(cacheComponents|partialPrefetching): true,\n/gm, ""));

    assert.deepEqual(writeFiles("docs/guides/next.md", "The app router", root), [".env", "app/flags.tsx", "app/layout.tsx", "app/shop.tsx", "app/page.tsx"]);
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text.trimStart());
    }
    const server = await startServer(t, { flags: FLAGS });
    writeFileSync(join(root, ".env.local"), `NEXT_PUBLIC_FLAGWIRE_URL=${server.url}\n`);

    const built = await run(process.execPath, [next, "build", `--${bundler}`], { cwd: root, env });
    assert.equal(built.code, 0, built.output);
    assert.match(built.output, /Compiled successfully/);
    // Next ends the requests of pages that it renders ahead: no failure of the flag server.
    assert.doesNotMatch(built.output, /Flagwire:/);
    const wasm = filesOf(join(root, ".next/static")).filter((file) => file.endsWith(".wasm"));
    assert.equal(wasm.length, 1, wasm.join("\n"));

    const service = await startService("next", process.execPath, [next, "start", "--port", "0", "--hostname", "127.0.0.1"], { cwd: root, env, ready: /Local:.*http/ });
    atEnd(t, () => service.stop());
    const url = service.readyLine.match(/http:\/\/\S+/)?.[0] ?? "";

    if ("app/edge/route.ts" in files) {
      const edge = await fetch(`${url}/edge`);
      assert.equal(await edge.text(), '[{"flag":"theme","identifier":"classic","value":"\\u003c/script\\u003e\\u003c!--","kind":"string"}]');
    }
    if ("app/fixed/page.tsx" in files) assert.match(await html(`${url}/fixed`), /<p>sunset<\/p>/);
    assert.match(await html(url), /<p>The theme is &lt;\/script&gt;&lt;!--\.<\/p><small>cached<\/small>/);
    assert.match(await html(url, { Cookie: "user=maya" }), /<p>The theme is sunset\.<\/p>/);

    // A mismatch while hydrating would be an error of the page.
    const page = await openPage(t, browser, url);
    await page.locator("small", { hasText: "ready" }).waitFor({ timeout: 0 });
    assert.equal(await page.locator("p").textContent(), "The theme is </script><!--.");
    server.editFlags((text) => text.replace("default: classic", "default: ocean").replace("sunset: [maya]", "ocean: [maya]"));
    await page.locator("p", { hasText: "ocean" }).waitFor({ timeout: 0 });
    assert.match(await html(url), /The theme is ocean/);
    if ("app/fixed/page.tsx" in files) assert.match(await html(`${url}/fixed`), /<p>ocean<\/p>/);
  });
}

/**
 * What a page's server sends, without the comments by which React tells texts apart.
 *
 * @param {string} url
 * @param {Record<string, string>} [headers]
 */
async function html(url, headers = {}) {
  return (await (await fetch(url, { headers })).text()).replaceAll("<!-- -->", "");
}
