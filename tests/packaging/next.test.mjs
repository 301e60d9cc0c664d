// The package in Next (app router), built by each of its bundlers, without configuration: a page rendered on the server with the
// flags of the request, hydrated in Chromium and live there; and a route on the edge.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { run } from "../../scripts/lib/run.mjs";
import { startService } from "../../scripts/lib/services.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { filesOf } from "../lib/files.mjs";
import { installPackage } from "../lib/install.mjs";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const FLAGS = 'flags:\n  theme:\n    variations: { classic: "</script><!--", ocean: ocean }\n    default: classic\n';
const next = join(import.meta.dirname, "node_modules/next/dist/bin/next");
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };

/** @type {Record<string, string>} */
const APP = {
  "package.json": '{ "private": true, "type": "module" }',
  "app/layout.jsx": 'export default ({ children }) => <html><head><link rel="icon" href="data:," /></head><body>{children}</body></html>;',
  // A component of the server renders the provider.
  "app/page.jsx": `
    import { FlagwireProvider } from "flagwire/react";
    import { fetchEvaluations } from "flagwire/server";
    import { Theme } from "./theme";
    export default async function Page({ searchParams }) {
      const { server: baseUrl } = await searchParams;
      const user = { apiKey: "${CLIENT_KEY}", target: { identifier: "user-42" } };
      const bootstrap = await fetchEvaluations(user.apiKey, user.target, { baseUrl });
      return <FlagwireProvider {...user} options={{ baseUrl, bootstrap }}><Theme /></FlagwireProvider>;
    }`,
  "app/theme.jsx": `
    "use client";
    import { useFlag, useFlagwireState } from "flagwire/react";
    export function Theme() {
      return <><p id="theme">{useFlag("theme", "default")}</p><p id="state">{useFlagwireState().status}</p></>;
    }`,
};
/** @type {Record<string, string>} */
const EDGE = {
  "app/edge/route.js": `
    import { dehydrate, fetchEvaluations } from "flagwire/server";
    export const runtime = "edge";
    export async function GET(request) {
      const baseUrl = new URL(request.url).searchParams.get("server");
      return new Response(dehydrate(await fetchEvaluations("${CLIENT_KEY}", { identifier: "user-42" }, { baseUrl })));
    }`,
};

for (const [bundler, files] of Object.entries({
  turbopack: { ...APP, ...EDGE },
  // Next 16 builds no route of the edge with webpack, not even one that imports nothing.
  webpack: APP,
})) {
  test(`Next, built with ${bundler}`, async (t) => {
    // Next itself must be found from there, as in a user's project.
    const root = mkdtempSync(join(import.meta.dirname, "next-app-"));
    atEnd(t, () => rmSync(root, { recursive: true, force: true }));
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text.trimStart());
    }
    await installPackage(root);
    const built = await run(process.execPath, [next, "build", `--${bundler}`], { cwd: root, env });
    assert.equal(built.code, 0, built.output);
    assert.match(built.output, /Compiled successfully/);
    const modules = filesOf(join(root, ".next/static")).filter((file) => file.endsWith(".wasm"));
    assert.equal(modules.length, 1, modules.join("\n"));

    const server = await startServer(t, { flags: FLAGS });
    const service = await startService("next", process.execPath, [next, "start", "--port", "0", "--hostname", "127.0.0.1"], { cwd: root, env, ready: /Local:.*http/ });
    atEnd(t, () => service.stop());
    const url = service.readyLine.match(/http:\/\/\S+/)?.[0];

    if (files !== APP) {
      const edge = await fetch(`${url}/edge?server=${server.url}`);
      assert.equal(await edge.text(), '[{"flag":"theme","identifier":"classic","value":"\\u003c/script\\u003e\\u003c!--","kind":"string"}]');
    }
    const html = await (await fetch(`${url}/?server=${server.url}`)).text();
    assert.match(html, /<p id="theme">&lt;\/script&gt;&lt;!--<\/p><p id="state">initializing<\/p>/);

    // A mismatch while hydrating would be an error of the page.
    const page = await openPage(t, browser, `${url}/?server=${server.url}`);
    await page.locator("#state", { hasText: "ready" }).waitFor({ timeout: 0 });
    assert.equal(await page.locator("#theme").textContent(), "</script><!--");
    server.editFlags((text) => text.replace("default: classic", "default: ocean"));
    await page.locator("#theme", { hasText: "ocean" }).waitFor({ timeout: 0 });
  });
}
