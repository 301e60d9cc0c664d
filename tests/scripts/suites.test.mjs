// The list of suites: the documents name them all, and what it names is there.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { root } from "../../scripts/lib/paths.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { OVER_HTTP2, suites, testPrograms, testsOf } from "../../scripts/lib/suites.mjs";
import { tempDir } from "../lib/scope.mjs";
import { PATIENCE_MS, until } from "../lib/wait.mjs";

const list = suites();

test("the table in CONTRIBUTING has every suite once, and says which only `all` runs", () => {
  const lines = readFileSync(join(root, "CONTRIBUTING.md"), "utf8").split("\n");
  const start = lines.findIndex((line) => line.startsWith("| suite |")) + 2;
  const rows = lines.slice(start, lines.indexOf("", start)).map((line) => {
    const [, name = "", , usual, all] = line.split("|").map((cell) => cell.trim());
    return { name: name.replaceAll("`", ""), onlyInAll: usual === "–", all };
  });
  const known = list.filter(({ name }) => rows.some((row) => row.name === name)).map(({ name }) => name);
  assert.deepEqual(list.map(({ name }) => name).filter((name) => !known.includes(name)), [], "suites without a row");
  assert.deepEqual(rows.map(({ name }) => name).sort(), known.sort(), "rows without a suite, or twice");
  for (const { name, onlyInAll, all } of rows) {
    const suite = list.find((one) => one.name === name);
    assert.equal(onlyInAll, suite?.onlyInAll === true, `${name} in \`npm test\``);
    if (onlyInAll) assert.notEqual(all, "", name);
  }
});

test("names are unique, and a suite comes after those that it needs", () => {
  const names = list.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const [place, { name, needs = [] }] of list.entries()) {
    for (const need of needs) assert.ok(names.indexOf(need) >= 0 && names.indexOf(need) < place, `${name} needs ${need}`);
  }
});

test("what runs over HTTP/2 by default are test programs of the server", () => {
  const programs = testPrograms();
  assert.deepEqual(OVER_HTTP2.filter((name) => !programs.includes(name)), []);
});

test("a test that hangs is named, and its file ends with what it started", async (t) => {
  const file = join(tempDir(t), "hangs.test.mjs");
  const services = JSON.stringify(pathToFileURL(join(root, "scripts", "lib", "services.mjs")).href);
  writeFileSync(
    file,
    `import { describe, test } from "node:test";
    import { startService } from ${services};
    test("ends", () => {});
    describe("of several", () => test("hangs", async () => {
      const { pid } = await startService("a service", process.execPath, ["-e", "console.log('ready'); setInterval(() => {}, 1e6)"], { ready: /ready/ });
      console.log("service " + pid);
      setInterval(() => {}, 1e6);
      await new Promise(() => {});
    }));`,
  );
  const { program, args } = testsOf([file]);
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  let [code, output] = [0, ""];
  // As long as the service needs to start.
  for (let stillMs = 3_000; !output.includes("service ") && stillMs < PATIENCE_MS; stillMs *= 2) {
    ({ code, output } = await run(program, args, { cwd: root, env: { ...env, FLAGWIRE_STILL_MS: String(stillMs) } }));
  }
  assert.equal(code, 1);
  assert.match(output, /hangs\.test\.mjs: no test has begun or ended for \d+ s; under way: (of several > )?hangs$/m);
  assert.match(output, /✔ ends/);
  const [, pid = ""] = /^service (\d+)$/m.exec(output) ?? assert.fail(output);
  await until("the service to end", () => {
    try {
      return !process.kill(Number(pid), 0);
    } catch {
      return true;
    }
  });
});

test("a suite that does not exist is refused with the names of those that do", async () => {
  const { code, output } = await run(process.execPath, ["scripts/test.mjs", "core"], { cwd: root });
  assert.equal(code, 1);
  assert.match(output, /^\nNo suite is called core\. There are: fmt, clippy, .*; and all\.$/m);
});
