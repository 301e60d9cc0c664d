// The server as npm packages: `flagwire-server`, which starts the program, and one package for each platform, which holds it.

import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";

/** Where the server is built for: what it needs of the system, such as signals, Windows lacks. */
export const PLATFORMS = ["darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64"];

/** This machine's, as Node calls it. */
export const platform = `${process.platform}-${process.arch}`;

/** @param {string} of a platform */
export const packageName = (of) => `@flagwire/server-${of}`;

/** What the program needs to have the same version as: the package that starts it. */
const launcher = join(root, "packaging", "npm", "flagwire-server");

/**
 * Writes the package that starts the program.
 *
 * @param {string} folder is emptied
 * @param {string} version
 */
export function writeLauncher(folder, version) {
  rmSync(folder, { recursive: true, force: true });
  cpSync(launcher, folder, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(launcher, "package.json"), "utf8"));
  const optionalDependencies = Object.fromEntries(PLATFORMS.map((one) => [packageName(one), version]));
  writeJson(join(folder, "package.json"), { ...manifest, version, optionalDependencies });
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
}

/**
 * Writes this machine's package.
 *
 * @param {string} folder is emptied
 * @param {{ version: string, binary: string, notices?: string }} options `notices` is the text of the licences of what the program
 *   is made of
 */
export function writePlatformPackage(folder, { version, binary, notices }) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { repository, license } = JSON.parse(readFileSync(join(launcher, "package.json"), "utf8"));
  const [os, cpu] = platform.split("-");
  writeJson(join(folder, "package.json"), {
    name: packageName(platform),
    version,
    description: `flagwire-server for ${os} on ${cpu}; install the package flagwire-server`,
    license,
    repository,
    os: [os],
    cpu: [cpu],
    // A program built against glibc finds no loader elsewhere.
    ...(os === "linux" && { libc: ["glibc"] }),
    // For package managers that keep packages in archives, out of which nothing can be run.
    preferUnplugged: true,
    files: ["flagwire-server", "LICENSE-third-party"],
  });
  writeFileSync(join(folder, "README.md"), `# ${packageName(platform)}\n\nThe program of the package [flagwire-server](https://www.npmjs.com/package/flagwire-server), for ${os} on ${cpu}. Install that one.\n`);
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  if (notices) writeFileSync(join(folder, "LICENSE-third-party"), notices);
  copyFileSync(binary, join(folder, "flagwire-server"));
  chmodSync(join(folder, "flagwire-server"), 0o755);
}

/** @param {string} path @param {object} value */
function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
