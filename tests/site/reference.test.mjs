// The pages of docs/reference are what the code says. `UPDATE_DOCS=1 npm test -- site` writes them.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { clientEntries, clientPage } from "../../docs/site/lib/reference/client.mjs";
import { COMMANDS, commandsPage } from "../../docs/site/lib/reference/commands.mjs";
import { flagsFilePage } from "../../docs/site/lib/reference/flags-file.mjs";
import { root } from "../../scripts/lib/paths.mjs";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { serverBinary } from "../lib/server.mjs";

/** @param {string} name @param {string} fresh */
function compare(name, fresh) {
  const path = join(root, "docs", "reference", `${name}.md`);
  if (process.env.UPDATE_DOCS) writeFileSync(path, fresh);
  assert.equal(readFileSync(path, "utf8"), fresh, "run `UPDATE_DOCS=1 npm test -- site`, and look at what has changed");
}

/** @param {string} program @param {string[]} args */
async function help(program, args) {
  const [command, ...first] = program === "flagwire-server" ? [serverBinary()] : [process.execPath, join(packageDir, "cli.js")];
  const { code, output } = await run(String(command), [...first, ...args, "--help"], { cwd: root });
  assert.equal(code, 0, output);
  return output;
}

test("the page about the flags file has each key of the schema, with an example", () => compare("flags-file", flagsFilePage()));

test("the page about the client has each option, status, reason and event of its types", () => {
  const entries = clientEntries();
  for (const [part, list] of Object.entries(entries)) {
    assert.ok(list.length > 1, part);
    for (const { name, meaning } of list) assert.ok(meaning.length > 10, `${part}: ${name} has no meaning`);
  }
  // Counted in another way: what a regular expression leaves out would be missing without a word.
  const types = readFileSync(join(packageDir, "types.d.ts"), "utf8");
  const names = (/** @type {string} */ start, /** @type {RegExp} */ pattern) => [...(types.slice(types.indexOf(start)).split(/^(?:\}|export )/m)[1] ?? "").matchAll(pattern)].length;
  assert.equal(entries.options.length, names("export interface Options {", /^ {4}\w+\??:/gm));
  assert.equal(entries.statuses.length, names("export type Status", /^(?: \| )?"/gm));
  assert.equal(entries.reasons.length, names("export type Reason", /^(?: \| )?"/gm));
  const events = readFileSync(join(packageDir, "events.d.ts"), "utf8");
  assert.equal(entries.events.length, [...events.matchAll(/^ {4}readonly [A-Z_]+: "/gm)].length);
  compare("client", clientPage());
});

test("the page about commands has each command's help", async () => {
  compare("commands", await commandsPage((program, command) => help(program, [command])));
  for (const [program, commands] of Object.entries(COMMANDS)) {
    const listed = [...(await help(program, [])).matchAll(/^ {2}(?!help )([a-z]+) {2,}|^npx flagwire ([a-z]+) /gm)].map(([, one, other]) => one ?? other);
    assert.deepEqual(commands, listed, `the commands that ${program} lists`);
  }
});
