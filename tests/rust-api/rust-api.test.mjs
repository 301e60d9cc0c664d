// The Rust API, in headless Chromium against flagwire-server: `main.rs`, whose every test is one here.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { browserTests } from "../../scripts/lib/wasm-tests.mjs";
import { startControl } from "./control.mjs";

const control = await startControl({ after });
// The tests know the control by a name, so that they need not be compiled for each run's port.
const chromiumArgs = [`--host-resolver-rules=MAP control.test:80 ${control}`, "--no-proxy-server"];
const { program, args, env } = await browserTests(["-p", "flagwire", "--test", "rust-api"], { chromiumArgs });
const { code, output } = await run(program, args, { cwd: root, env, onLine: (line) => console.log(line) });
const verdicts = [...output.matchAll(/^test (\S+) \.\.\. (\w+)/gm)];

for (const [, name = "", verdict] of verdicts) {
  test(name.replaceAll("_", " "), () => assert.equal(verdict, "ok", output));
}

test("the tests in Chromium ran to their end", () => {
  assert.equal(code, 0, output);
  assert.ok(verdicts.length > 0, output);
});
