// The package in the test runners that its users have: Jest 28, 29 and 30 with jsdom, Vitest with jsdom and happy-dom; required and imported.

import assert from "node:assert/strict";
import { copyFileSync, cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, after, describe, test } from "node:test";
import { run } from "../../scripts/lib/run.mjs";
import { FLAGS } from "../lib/flags.mjs";
import { installPackage } from "../lib/install.mjs";
import { writeFiles } from "../lib/markdown.mjs";
import { tempDir } from "../lib/scope.mjs";
import { startServer } from "../lib/server.mjs";
import { TEST_LIMIT } from "./limit.mjs";

const modules = join(import.meta.dirname, "node_modules");
const folder = tempDir({ after });

before(async () => {
  writeFileSync(join(folder, "package.json"), '{ "private": true }');
  await installPackage(folder);
  for (const name of readdirSync(modules)) if (!name.startsWith(".") && name !== "@harnessio") symlinkSync(join(modules, name), join(folder, "node_modules", name));
  // Not a link: what it requires is looked for from where it really is.
  cpSync(join(modules, "@harnessio"), join(folder, "node_modules", "@harnessio"), { recursive: true });
});

/** A project below the folder where the package is installed. @param {string} name @param {Record<string, string>} files by their names in projects/ */
function project(name, files, manifest = {}) {
  const path = join(folder, name);
  mkdirSync(join(path, "node_modules"), { recursive: true });
  for (const [from, to] of Object.entries(files)) copyFileSync(join(import.meta.dirname, "projects", from), join(path, to));
  writeFileSync(join(path, "package.json"), JSON.stringify({ private: true, ...manifest }));
  return path;
}

/**
 * Runs it, beside a server, to the end: nothing ends it but itself.
 *
 * @param {import("../lib/scope.mjs").Scope} t @param {string} path @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 */
async function passes(t, path, args, env) {
  const server = await startServer(t, { flags: FLAGS });
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
  const { code, output } = await run(process.execPath, [...args, TEST_LIMIT], { cwd: path, env: { ...rest, CI: "1", NO_COLOR: "1", SERVER: server.url, FLAGS: server.flagsFile, ...env } });
  assert.equal(code, 0, output);
  assert.doesNotMatch(output, /did not exit|Unhandled|open handle/i);
}

for (const version of ["28", "29", "30"]) {
  describe(`Jest ${version} with jsdom`, () => {
    const jest = join(modules, `jest-${version}`, "bin", "jest.js");
    /** @param {string} name @param {Record<string, string>} files @param {object} [manifest] */
    const jestProject = (name, files, manifest) => {
      const path = project(`jest-${version}-${name}`, files, manifest);
      symlinkSync(join(modules, `jest-environment-jsdom-${version}`), join(path, "node_modules", "jest-environment-jsdom"));
      return path;
    };

    test("all entries are required, without configuration, the guide's test passes, and the process ends by itself", async (t) => {
      const path = jestProject("entries", { "entries.test.js": "entries.test.js" });
      assert.deepEqual(writeFiles("docs/guides/testing.md", "Jest", path), ["src/shop.test.js"]);
      copyFileSync(join(import.meta.dirname, "projects", "shop.js"), join(path, "src", "shop.js"));
      await passes(t, path, [jest, "--runInBand"]);
    });

    test("a client of a real server, with Node's fetch", async (t) => {
      await passes(t, jestProject("live", { "live.test.js": "live.test.js", "environment.cjs": "environment.cjs" }), [jest, "--runInBand", "--env", "./environment.cjs"]);
    });

    const inPlace = [
      ["Harness's published React SDK on flagwire/harness, every export", { "^@harnessio/ff-javascript-client-sdk$": "flagwire/harness" }],
      ["flagwire/harness/react in the place of Harness's React SDK, every export", { "^@harnessio/ff-react-client-sdk(/dist/.*)?$": "flagwire/harness/react" }],
    ];
    // Jest 28 and 29 require all entries above.
    for (const [what, mapped] of /** @type {[string, Record<string, string>][]} */ (inPlace.slice(0, version === "30" ? 2 : 1))) {
      test(what, async (t) => {
        const manifest = { jest: { testEnvironment: "./environment.cjs", moduleNameMapper: mapped } };
        const path = jestProject(`harness-${Object.values(mapped)[0]?.replaceAll("/", "-")}`, { "harness-react.test.js": "harness-react.test.js", "environment.cjs": "environment.cjs" }, manifest);
        await passes(t, path, [jest, "--runInBand"]);
      });
    }

    test("all entries are imported, and a client of a real server", async (t) => {
      const path = jestProject("modules", { "entries.mjs": "entries.js", "environment.cjs": "environment.cjs" }, { type: "module", jest: { testEnvironment: "./environment.cjs", transform: {} } });
      writeFileSync(
        join(path, "modules.test.js"),
        'import { live, load } from "./entries.js";\ntest("load", async () => expect(await load(["flagwire/svelte", "flagwire/vue"])).toEqual([]));\ntest("live", async () => expect(await live()).toEqual({ seen: [4, 12], errors: [] }));\n',
      );
      // Jest cannot import Svelte and Vue themselves without configuration.
      await passes(t, path, ["--experimental-vm-modules", "--no-warnings", jest, "--runInBand"]);
    });
  });
}

describe("Vitest", () => {
  for (const environment of ["jsdom", "happy-dom"]) {
    test(`with ${environment}: all entries, and a client of a real server`, async (t) => {
      const path = project(`vitest-${environment}`, { "entries.mjs": "entries.mjs" });
      writeFileSync(
        join(path, "modules.test.mjs"),
        'import { expect, test } from "vitest";\nimport { live, load } from "./entries.mjs";\ntest("load", async () => expect(await load()).toEqual([]));\ntest("live", async () => expect(await live()).toEqual({ seen: [4, 12], errors: [] }));\n',
      );
      await passes(t, path, [join(modules, "vitest", "vitest.mjs"), "run", "--environment", environment]);
    });
  }
});

test("Node requires every entry, Svelte's too", async () => {
  const path = project("node", {});
  writeFileSync(join(path, "main.cjs"), 'for (const entry of ["", "/harness", "/harness/react", "/javascript", "/openfeature", "/react", "/server", "/svelte", "/testing", "/vue"]) require("flagwire" + entry);\n');
  const { code, output } = await run(process.execPath, ["--no-warnings", join(path, "main.cjs")], { cwd: path });
  assert.equal(code, 0, output);
});
