// `npm run lint`: whether the scripts and TypeScript are laid out as `dprint.json` says and keep the rules of `.oxlintrc.json`;
// `npm run lint -- --write` lays them out, and mends what can be mended without a decision.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFromBuffer } from "@dprint/formatter";
import { getPath } from "@dprint/typescript";
import { root } from "./lib/paths.mjs";
import { Plain, run } from "./lib/run.mjs";
import { script } from "./lib/steps.mjs";

const write = process.argv.includes("--write");

await script(async () => {
  // Rules first: what they change is laid out afterwards.
  const { code } = await run(process.execPath, [join(root, "node_modules", "oxlint", "bin", "oxlint"), ...(write ? ["--fix"] : [])], { cwd: root, onLine: (line) => console.log(line) });
  const different = layOut();
  if (write) console.log(`${different.length} files were laid out.`);
  else if (different.length > 0) throw new Plain(`Run \`npm run lint -- --write\`: these files are not laid out as dprint.json says:\n${different.join("\n")}`);
  if (code !== 0) throw new Plain("Rules of .oxlintrc.json are broken; see above.");
});

/** Compares each file of the repository with its layout, or writes it. @returns {string[]} those that differed */
function layOut() {
  const { typescript, includes: _, excludes, plugins: __, ...common } = JSON.parse(readFileSync(join(root, "dprint.json"), "utf8"));
  const formatter = createFromBuffer(readFileSync(getPath()));
  formatter.setConfig(common, typescript);
  const wrong = formatter.getConfigDiagnostics();
  if (wrong.length > 0) throw new Plain(`dprint.json: ${wrong.map(({ propertyName, message }) => `${propertyName}: ${message}`).join("; ")}`);
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" }).split("\n");
  return listed.filter((path) => {
    if (!/\.(?:ts|tsx|mjs|cjs|js|jsx)$/.test(path) || !existsSync(join(root, path))) return false;
    // Those with a `*` are of what the repository does not have.
    if (excludes.some((/** @type {string} */ folder) => path.startsWith(`${folder}/`))) return false;
    const text = readFileSync(join(root, path), "utf8");
    const laidOut = formatter.formatText({ filePath: path, fileText: text });
    if (laidOut === text) return false;
    if (write) writeFileSync(join(root, path), laidOut);
    return true;
  });
}
