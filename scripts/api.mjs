// `npm run api`: what has changed of the public API of the package and the crates since `tests/api` was written; `npm run api --
// --write` writes it, after which the change is in the commit for everybody to see.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publicApi, snapshots } from "./lib/api.mjs";
import { Plain } from "./lib/run.mjs";
import { script } from "./lib/steps.mjs";

await script(async () => {
  const api = publicApi();
  mkdirSync(snapshots, { recursive: true });
  const changed = Object.entries(api).filter(([name, text]) => !existsSync(join(snapshots, name)) || readFileSync(join(snapshots, name), "utf8") !== text);
  if (!process.argv.includes("--write")) {
    for (const [name, text] of changed) console.log(difference(name, text));
    if (changed.length > 0) throw new Plain(`The public API differs from ${changed.map(([name]) => `tests/api/${name}`).join(", ")}. If that is meant, run \`npm run api -- --write\`, and say it in CHANGELOG.md.`);
    return console.log("The public API is as tests/api says.");
  }
  for (const [name, text] of changed) writeFileSync(join(snapshots, name), text);
  console.log(changed.length > 0 ? `Written: ${changed.map(([name]) => name).join(", ")}` : "Nothing has changed.");
});

/** The lines that one of the two lacks. @param {string} name @param {string} text */
function difference(name, text) {
  const path = join(snapshots, name);
  const before = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  const now = text.split("\n");
  const gone = before.filter((line) => !now.includes(line)).map((line) => `- ${line}`);
  const come = now.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  return [`${name}:`, ...gone, ...come].join("\n");
}
