// Running other programs: asked quietly, or streamed with a prefix, and never left behind.

import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** How to end each program that runs in a group of its own: a terminal's Ctrl-C does not reach these. */
const groups = new Set(/** @type {(() => void)[]} */ ([]));

/** A mistake or lack that the reader can mend: its message is all they need, so it is printed without a stack. */
export class Plain extends Error {}

/**
 * What a program prints, trimmed; `undefined` if it is missing or fails. For questions such as `--version`.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {import("node:child_process").SpawnSyncOptions} [options]
 * @returns {string | undefined}
 */
export function ask(program, args, options = {}) {
  const result = spawnSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], ...options });
  return result.status === 0 ? String(result.stdout).trim() : undefined;
}

/**
 * The full path of a program in `PATH`.
 *
 * @param {string} name
 * @returns {string | undefined}
 */
export function which(name) {
  const names = process.platform === "win32" ? [`${name}.exe`, `${name}.cmd`] : [name];
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const candidate of names) if (isProgram(join(folder, candidate))) return join(folder, candidate);
  }
  return undefined;
}

/** @param {string} path */
export function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Runs a program to its end and hands over its output line by line.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{
 *   cwd?: string,
 *   env?: NodeJS.ProcessEnv,
 *   onLine?: (line: string) => void,
 *   timeoutMs?: number,
 * }} [options] `onLine` gets lines of both outputs as they come; a carriage return ends one too, as progress bars use it. After
 *   `timeoutMs` the program and what it started are ended.
 * @returns {Promise<{ code: number, output: string, timedOut: boolean }>} `code` is 128 where a signal ended it.
 */
export function run(program, args, { cwd, env, onLine, timeoutMs } = {}) {
  return new Promise((resolve, reject) => {
    // In a group of its own it can be ended with all that it started.
    const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: timeoutMs !== undefined });
    const endGroup = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended already.
      }
    };
    let timedOut = false;
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    if (timeoutMs !== undefined) {
      endGroupsWithThis();
      groups.add(endGroup);
      timer = setTimeout(() => {
        timedOut = true;
        endGroup();
        // A program that left the group may still hold the pipes, and they would never close.
        for (const pipe of [child.stdout, child.stderr]) pipe.destroy();
      }, timeoutMs);
    }
    let output = "";
    for (const pipe of [child.stdout, child.stderr]) {
      let rest = "";
      pipe.setEncoding("utf8");
      pipe.on("data", (/** @type {string} */ text) => {
        output += text;
        if (!onLine) return;
        const lines = (rest + text).split(/\r\n|\r|\n/);
        rest = lines.pop() ?? "";
        lines.forEach(onLine);
      });
      pipe.on("end", () => {
        if (onLine && rest) onLine(rest);
      });
    }
    const settle = () => {
      clearTimeout(timer);
      groups.delete(endGroup);
    };
    child.on("error", (error) => {
      settle();
      reject(error);
    });
    child.on("close", (code) => {
      settle();
      resolve({ code: code ?? 128, output, timedOut });
    });
  });
}

let watching = false;

/** Ends the groups when this program ends, whatever ends it. */
function endGroupsWithThis() {
  if (watching) return;
  watching = true;
  process.on("exit", () => groups.forEach((end) => end()));
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.once(signal, () => process.exit(128));
}

/**
 * The last lines of a program's output, for an error message.
 *
 * @param {string} output
 * @param {number} [count]
 */
export function tail(output, count = 20) {
  return output.trimEnd().split("\n").slice(-count).join("\n");
}
