// The list of deliberate faults: each can still be made.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { mutations } from "../mutations/list.mjs";

test("what a deliberate fault replaces occurs once in its file", () => {
  assert.ok(mutations.length > 50);
  for (const { name, file, from, to } of mutations) {
    const parts = readFileSync(join(root, file), "utf8").split(from);
    assert.equal(parts.length, 2, `${name} In ${file}: ${from}`);
    assert.notEqual(from, to, name);
  }
});
