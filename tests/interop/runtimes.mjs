// The published SDKs of other languages: installed once into a cache, then run as programs of their own.

import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { atEnd } from "../lib/scope.mjs";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));

/** For an installation from a registry; it is given up after that. */
const INSTALL_MS = 240_000;

/**
 * Whether a program can be run. In CI it must be; elsewhere the sentence that is returned says what to install.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {string} wanted
 * @returns {Promise<string | undefined>}
 */
export async function missing(program, args, wanted) {
  try {
    await run(program, args, { timeout: 30_000 });
    return undefined;
  } catch (error) {
    const sentence = `${program} cannot be run; install ${wanted} to run this test`;
    if (process.env.CI) throw new Error(sentence, { cause: error });
    return sentence;
  }
}

/**
 * A folder with what `install` puts there, made once for each content of `manifest`.
 *
 * @param {string} name
 * @param {string} manifest a file of this folder
 * @param {(folder: string) => Promise<void>} install
 */
async function cached(name, manifest, install) {
  const hash = createHash("sha256").update(readFileSync(join(here, manifest))).digest("hex").slice(0, 16);
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "flagwire-tests");
  const folder = join(cache, `${name}-${hash}`);
  const isComplete = () => existsSync(join(folder, "complete"));
  if (isComplete()) return folder;
  mkdirSync(cache, { recursive: true });
  // Another test file may install the same at the same time: each does it in a folder of its own, and the first that is complete takes the name.
  const own = mkdtempSync(join(cache, `${name}-`));
  try {
    await install(own);
    mkdirSync(join(own, "complete"));
    if (!isComplete()) {
      rmSync(folder, { recursive: true, force: true });
      renameSync(own, folder);
    }
  } catch (error) {
    if (!isComplete()) throw error;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return folder;
}

/** @returns {Promise<string>} the interpreter that has the SDK */
export async function python() {
  const folder = await cached("python", "python/requirements.txt", async (folder) => {
    await run("python3", ["-m", "venv", folder], { timeout: INSTALL_MS });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", join(here, "python/requirements.txt")];
    await run(join(folder, "bin/python"), pip, { timeout: INSTALL_MS });
  });
  return join(folder, "bin/python");
}

/** @returns {Promise<string>} a class path with the SDK on it */
export async function javaClassPath() {
  const folder = await cached("java", "java/pom.xml", async (folder) => {
    const args = ["--batch-mode", "--quiet", "--file", join(here, "java/pom.xml"), "dependency:copy-dependencies", `-DoutputDirectory=${folder}`];
    await run("mvn", args, { timeout: INSTALL_MS });
  });
  return join(folder, "*");
}

/**
 * Runs a program that prints a line for each value it sees.
 *
 * @param {import("../lib/scope.mjs").Scope} t ends it with the test
 * @param {string} program
 * @param {string[]} args
 */
export function follow(t, program, args) {
  const child = spawn(program, args, { cwd: here, stdio: ["ignore", "pipe", "pipe"] });
  const lines = /** @type {string[]} */ ([]);
  /** @type {Set<() => void>} */
  const waiting = new Set();
  const note = (/** @type {string} */ line) => {
    lines.push(line);
    for (const wake of waiting) wake();
  };
  createInterface({ input: child.stdout }).on("line", note);
  // What it logs is of use where it fails.
  let log = "";
  child.stderr.on("data", (data) => {
    log = (log + data).slice(-20_000);
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  atEnd(t, async () => {
    child.kill("SIGKILL");
    await ended;
  });
  /** Until the last line is this one. @param {string} line */
  const prints = (line) =>
    new Promise((resolve, reject) => {
      const done = setTimeout(() => finish(new Error(`${program} printed ${JSON.stringify(lines)} and not ${line} at last; its log: ${log}`)), 120_000);
      const look = () => {
        if (lines.at(-1) === line) finish();
      };
      const finish = (/** @type {Error | undefined} */ error = undefined) => {
        clearTimeout(done);
        waiting.delete(look);
        if (error) reject(error);
        else resolve(undefined);
      };
      waiting.add(look);
      look();
    });
  return { prints, lines };
}
