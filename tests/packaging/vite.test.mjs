// The guide's files in projects of React, Vue and Svelte as `create-vite` makes them: their own build checks types, those of the
// project's flags among them, and what they make is live in Chromium.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { filesOf, serveFiles } from "../lib/files.mjs";
import { installPackage } from "../lib/install.mjs";
import { blocksOf, writeFiles } from "../lib/markdown.mjs";
import { startServer } from "../lib/server.mjs";

const browser = await startBrowser({ after });
const TYPES = "docs/guides/frameworks.md";
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

// What projects need is found above them, as is the package, which is installed once for all of them.
const parent = mkdtempSync(join(import.meta.dirname, "vite-app-"));
after(() => rmSync(parent, { recursive: true, force: true }));
writeFileSync(join(parent, "package.json"), '{ "private": true }');
await installPackage(parent);

for (
  const { template, guide, files, scripts } of [
    { template: "react-ts", guide: "docs/guides/react.md", files: ["src/main.tsx", "src/App.tsx"], scripts: ["build"] },
    { template: "vue-ts", guide: "docs/guides/vue.md", files: ["src/main.ts", "src/App.vue"], scripts: ["build"] },
    { template: "svelte-ts", guide: "docs/guides/svelte.md", files: ["src/App.svelte", "src/lib/Shop.svelte"], scripts: ["check", "build"] },
  ]
) {
  test(`the guide's page in a project of create-vite, ${template}`, async (t) => {
    const root = join(parent, template);
    const create = join(import.meta.dirname, "node_modules/create-vite/index.js");
    const created = await run(process.execPath, [create, template, "--template", template, "--no-interactive"], { cwd: parent });
    assert.equal(created.code, 0, created.output);

    assert.deepEqual(writeFiles(guide, "Set up", root), [".env", ...files]);
    assert.deepEqual(writeFiles(TYPES, "Your flags as types", root), ["src/banner.ts"]);

    // The server's sample, which the guide's flags are from.
    const server = await startServer(t);
    writeFileSync(join(root, ".env.local"), `VITE_FLAGWIRE_URL=${server.url}\n`);
    const command = /^npx flagwire (types .*)$/m.exec(blocksOf(TYPES).find(({ language }) => language === "sh")?.text ?? "")?.[1] ?? "";
    writeFileSync(join(root, "flags.yaml"), readFileSync(server.flagsFile, "utf8"));
    const types = await run(process.execPath, [join(packageDir, "cli.js"), ...command.split(" ")], { cwd: root });
    assert.equal(types.code, 0, types.output);
    assert.match(types.output, /written to src[\\/]flagwire-flags\.d\.ts\s*$/);
    assert.ok(existsSync(join(root, "src/flagwire-flags.d.ts")));

    for (const script of scripts) {
      const built = await run(npm, ["run", script], { cwd: root });
      assert.equal(built.code, 0, built.output);
    }
    assert.equal(filesOf(join(root, "dist")).filter((file) => file.endsWith(".wasm")).length, 1);

    const page = await openPage(t, browser, await serveFiles(t, join(root, "dist")));
    await page.locator("small", { hasText: "ready" }).waitFor({ timeout: 0 });
    await page.locator("main.classic").getByText("We ship for free.").waitFor({ timeout: 0 });
    server.editFlags((text) => text.replace("default: classic", "default: ocean").replace("plan: gold }\n        serve: true", "plan: gold }\n        serve: false"));
    await page.locator("main.ocean").getByText("Shipping is 4 €.").waitFor({ timeout: 0 });

    // A wrong name is a mistake to the project's own checks from now on.
    for (const file of files) writeFileSync(join(root, file), readFileSync(join(root, file), "utf8").replace('"free-shipping"', '"free-shiping"'));
    const wrong = await run(npm, ["run", scripts[0] ?? ""], { cwd: root });
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.output, /"free-shiping"/);
  });
}
