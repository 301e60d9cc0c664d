// Asks Git which files it has stored and which it ignores.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/**
 * `ignores` returns whether a .gitignore excludes a file. `missing` returns why Git could not restore a file, or `undefined` if it could.
 *
 * @typedef {{ ignores: (path: string) => boolean, missing: (path: string) => { path: string, why: string } | undefined }} History
 */

/** The histories by folder. @type {Map<string, History>} */
const byFolder = new Map();
/** The histories by repository. @type {Map<string, History>} */
const byRepository = new Map();

/** @param {string} path @returns {History} the history of the file's repository */
export function historyOf(path) {
  const folder = dirname(path);
  let history = byFolder.get(folder);
  if (!history) {
    const top = git(folder, ["rev-parse", "--show-toplevel"])?.replace(/\r?\n$/, "");
    history = top ? (byRepository.get(top) ?? repository(realpathSync(top))) : noRepository;
    if (top) byRepository.set(top, history);
    byFolder.set(folder, history);
  }
  return history;
}

/** @param {string} top @returns {History} */
function repository(top) {
  /** @type {Map<string, string> | undefined} */
  let states;
  return {
    ignores: (path) => git(top, ["check-ignore", "-q", "--", path]) !== undefined,
    missing(path) {
      states ??= new Map(
        (git(top, ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"]) ?? "").split("\0").map((line) => [join(top, line.slice(3)), line.slice(0, 2)]),
      );
      const state = states.get(path);
      return state === undefined ? undefined : { path, why: state === "??" ? "not added" : "uncommitted changes" };
    },
  };
}

/** The history outside of a repository. A .gitignore counts there too; Git reads it from a temporary repository. @type {History} */
const noRepository = {
  ignores(path) {
    const ignoring = ignoringFolder(path);
    if (!ignoring) return false;
    const temporary = mkdtempSync(join(tmpdir(), "flagwire-migrate-"));
    try {
      if (git(temporary, ["init", "-q", "--bare"]) === undefined) return false;
      return git(ignoring, [`--git-dir=${temporary}`, `--work-tree=${ignoring}`, "check-ignore", "-q", "--no-index", "--", path]) !== undefined;
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  },
  missing: (path) => ({ path, why: "in no repository" }),
};

/** Returns the outermost folder around a file that has a .gitignore. @param {string} path @returns {string | undefined} */
function ignoringFolder(path) {
  let found;
  for (let folder = dirname(path);; folder = dirname(folder)) {
    if (existsSync(join(folder, ".gitignore"))) found = folder;
    if (folder === dirname(folder)) return found;
  }
}

/** Returns the output of Git; `undefined` if it fails or is not installed. @param {string} folder @param {string[]} args */
function git(folder, args) {
  // A Git hook sets variables that would name another repository.
  const { GIT_DIR: _, GIT_WORK_TREE: __, GIT_INDEX_FILE: ___, ...env } = process.env;
  const { status, stdout } = spawnSync("git", args, { cwd: folder, encoding: "utf8", maxBuffer: 1 << 28, env });
  return status === 0 ? stdout : undefined;
}
