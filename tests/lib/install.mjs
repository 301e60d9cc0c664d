// The package as users get it: packed, and installed.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { packageDir } from "../../scripts/lib/products.mjs";
import { npm } from "../../scripts/lib/npm.mjs";
import { quietStep } from "../../scripts/lib/steps.mjs";

/**
 * Packs the package, and installs it into a folder that has a package.json.
 *
 * @param {string} folder
 * @returns {Promise<string>} the tarball
 */
export async function installPackage(folder) {
  const step = quietStep("the package");
  await npm(["pack", "--pack-destination", folder], packageDir, step);
  const tarball = join(folder, readdirSync(folder).find((file) => file.endsWith(".tgz")) ?? "");
  // Its peers are optional, so nothing else is fetched.
  await npm(["install", "--no-save", "--no-package-lock", "--offline", tarball], folder, step);
  return tarball;
}
