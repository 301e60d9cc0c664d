// The parts of the scripts that a wrong answer would hide in: what counts as passed, as out of date, as running.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { ifChanged } from "../../scripts/lib/fresh.mjs";
import { atLeast, root } from "../../scripts/lib/paths.mjs";
import { count, excerpt, failedFiles, failedTests, passedTests, withoutColours } from "../../scripts/lib/results.mjs";
import { ask, run } from "../../scripts/lib/run.mjs";
import { freePort, startService } from "../../scripts/lib/services.mjs";
import { atEnd, tempDir } from "../lib/scope.mjs";
import { PATIENCE_MS, until } from "../lib/wait.mjs";

test("counts are added up over all binaries of a cargo run, and over both forms", () => {
  const cargo = [
    "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
    "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s",
  ];
  assert.deepEqual(count(cargo.join("\n")), { passed: 15, failed: 2, ignored: 1 });
  const node = "ℹ tests 9\nℹ suites 0\nℹ pass 5\nℹ fail 1\nℹ cancelled 1\nℹ skipped 2\nℹ todo 0\nℹ duration_ms 12";
  assert.deepEqual(count(node), { passed: 5, failed: 2, ignored: 2 });
  assert.deepEqual(count("  test result: ok. 9 passed; 0 failed; 0 ignored"), { passed: 0, failed: 0, ignored: 0 });
});

test("node's own runner prints what is counted, also where it prints colours", async (t) => {
  const file = join(tempDir(t), "one.test.mjs");
  writeFileSync(file, 'import { test } from "node:test";\ntest("good", () => {});\ntest("bad", () => { throw new Error("no"); });\ntest.skip("later", () => {});\n');
  for (const FORCE_COLOR of ["0", "1"]) {
    /** @type {NodeJS.ProcessEnv} */
    const env = { ...process.env, FORCE_COLOR };
    // A runner inside a runner reports to the outer one, unless this variable is taken away.
    delete env.NODE_TEST_CONTEXT;
    const { code, output } = await run(process.execPath, ["--test", "--test-reporter=spec", file], { env });
    assert.equal(code, 1);
    const plain = withoutColours(output);
    assert.deepEqual(count(plain), { passed: 1, failed: 1, ignored: 1 });
    assert.match(excerpt(plain), /^✖ failing tests:[^]*Error: no/);
    assert.deepEqual(failedTests(plain), ["bad"]);
    assert.deepEqual(passedTests(plain), ["good"]);
    assert.deepEqual(failedFiles(plain).map((path) => path.replace(/^.*[\\/]/, "")), ["one.test.mjs"]);
  }
});

test("what went wrong is found in cargo's and the compiler's output", () => {
  assert.match(excerpt("running 1 test\n\nfailures:\n\n---- a stdout ----\nboom"), /^failures:\n/);
  assert.match(excerpt("   Compiling x\nerror[E0308]: mismatched types\n --> a.rs"), /^error\[E0308\]/);
  assert.equal(excerpt("nothing known"), "nothing known");
});

test("something made is made again after a change of its files, and only then", async (t) => {
  const folder = tempDir(t);
  const [input, stamp] = [join(folder, "input"), join(folder, "stamps", "made")];
  let made = 0;
  const make = () => ifChanged(stamp, [input], async () => void (made += 1));
  writeFileSync(input, "a");
  assert.equal(await make(), true);
  assert.equal(await make(), false);
  utimesSync(input, 1, 1);
  assert.equal(await make(), true);
  rmSync(input);
  assert.equal(await make(), true);
  assert.equal(await make(), false);
  assert.equal(made, 3);
  // What failed is not taken for made.
  writeFileSync(input, "b");
  await assert.rejects(ifChanged(stamp, [input], () => Promise.reject(new Error("broken"))), /broken/);
  assert.equal(await make(), true);
});

test("versions compare by number", () => {
  assert.equal(atLeast("1.100.0", "1.95"), true);
  assert.equal(atLeast("1.96.0-nightly", "1.96"), true);
  assert.equal(atLeast("1.94.9", "1.95"), false);
  assert.equal(atLeast("20.19.0", "20.19"), true);
  assert.equal(atLeast("20.9.0", "20.19"), false);
});

test("a program that ends before it is ready is reported with what it said", async () => {
  const start = startService("The thing", process.execPath, ["-e", "console.error('port is gone'); process.exit(3)"], { ready: /never/ });
  await assert.rejects(start, /The thing ended with code 3 before it was ready:\nport is gone/);
  await assert.rejects(startService("Nothing", "/no/such/program", [], { ready: /never/ }), /Nothing could not be started/);
});

test("a program that hangs is ended at its limit, with what it started", async (t) => {
  const file = join(tempDir(t), "pid");
  // The child keeps the pipes open.
  const child = "setInterval(() => {}, 1e6); require('node:fs').writeFileSync(process.argv[1], String(process.pid)); console.log('waiting')";
  const parent = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}, process.argv[1]], { stdio: "inherit" })`;
  // As long as the two need to start: they say when they have.
  let ended = { code: 0, output: "", timedOut: false };
  for (let timeoutMs = 3_000; ended.output === "" && timeoutMs < PATIENCE_MS; timeoutMs *= 2) ended = await run(process.execPath, ["-e", parent, file], { timeoutMs });
  assert.deepEqual(ended, { code: 128, output: "waiting\n", timedOut: true });
  const pid = Number(readFileSync(file, "utf8"));
  await until("the child to end", () => {
    try {
      return !process.kill(pid, 0);
    } catch {
      return true;
    }
  });
  assert.deepEqual(await run(process.execPath, ["-e", "console.log(1)"], { timeoutMs: 60_000 }), { code: 0, output: "1\n", timedOut: false });
});

test("a service runs until it is stopped, and stopping twice is harmless", async () => {
  const service = await startService("The thing", process.execPath, ["-e", "console.log('ready on 1'); setInterval(() => {}, 1e6)"], { ready: /ready on/ });
  assert.equal(service.readyLine, "ready on 1");
  await service.stop();
  await service.stop();
  assert.equal(await service.exited, null);
  assert.throws(() => process.kill(service.pid, 0), { code: "ESRCH" });
});

test("a taken port is passed over", async (t) => {
  const holder = createServer();
  await new Promise((resolve) => holder.listen(0, "127.0.0.1", () => resolve(undefined)));
  atEnd(t, () => holder.close());
  const first = /** @type {import("node:net").AddressInfo} */ (holder.address()).port;
  assert.ok((await freePort(first)) > first);
});

test("the set-up is silent about nothing: every step says what it found", () => {
  const output = ask(process.execPath, ["scripts/setup.mjs", "--no-tests"], { cwd: new URL("../..", import.meta.url) }) ?? "";
  // One that takes long, or installs something, says so before.
  assert.deepEqual([...new Set(output.split("\n").map((line) => /^\[\d\/5\]/.exec(line)?.[0]))], ["[1/5]", "[2/5]", "[3/5]", "[4/5]", "[5/5]"]);
});

test("lock files hold every build for another platform, and no address", () => {
  // A registry that has not got one of them leaves it out of the lock without a word, and `npm ci` then refuses the lock.
  const locks = execFileSync("git", ["ls-files", "*package-lock.json"], { cwd: root, encoding: "utf8" }).trim().split("\n");
  assert.ok(locks.length > 3, locks.join());
  for (const lock of locks) {
    /** @type {{ packages: Record<string, { resolved?: string, optionalDependencies?: Record<string, string> }> }} */
    const { packages } = JSON.parse(readFileSync(join(root, lock), "utf8"));
    const names = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)));
    for (const [path, { resolved, optionalDependencies = {} }] of Object.entries(packages)) {
      assert.ok(resolved === undefined || resolved.startsWith("file:") || !resolved.includes(":"), `${lock}: ${path} is resolved to ${resolved}`);
      for (const name of Object.keys(optionalDependencies)) assert.ok(names.has(name), `${lock}: ${path} asks for ${name}, which is not there`);
    }
  }
});
