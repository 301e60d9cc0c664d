// `npm run docs`: serves the documentation site, made of docs/; `npm run docs -- build` writes it into docs/site/dist.
//
// Its tools have a package.json of their own, docs/site, as they need an older TypeScript than the project. The API's reference is made of
// the package's types first.

import { join } from "node:path";
import { root } from "./lib/paths.mjs";
import { npmInstall } from "./lib/npm.mjs";
import { buildPackage } from "./lib/products.mjs";
import { Plain, run, tail } from "./lib/run.mjs";
import { script, Steps } from "./lib/steps.mjs";

const site = join(root, "docs", "site");
const COMMANDS = ["dev", "build", "preview"];

await script(async () => {
  const [command = "dev", ...options] = process.argv.slice(2);
  if (!COMMANDS.includes(command)) throw new Plain(`Usage: npm run docs [-- ${COMMANDS.join(" | ")}]`);
  const steps = new Steps(4);
  await steps.run("npm dependencies", (step) => npmInstall(root, { step }));
  await steps.run("documentation tools", (step) => npmInstall(site, { step }));
  await steps.run("npm package", buildPackage);
  await steps.run("reference of the API", async (step) => {
    const { code, output } = await run(process.execPath, [join(site, "node_modules", "typedoc", "bin", "typedoc")], { cwd: site });
    if (code !== 0) throw new Plain(`The reference of the API could not be made:\n${tail(output, 40)}`);
    step.done("docs/reference/api");
  });
  const { code } = await run(process.execPath, [join(site, "node_modules", "vitepress", "bin", "vitepress.js"), command, ".", ...options], { cwd: site, onLine: (line) => console.log(line) });
  process.exitCode = code ?? 1;
});
