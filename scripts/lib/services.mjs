// Programs that keep running: started, watched, and always ended with the script that started them.

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { Plain } from "./run.mjs";

/** How long a program may take to end after it was asked to: seconds on a crowded machine. */
const GRACE_MS = 20_000;

/** Ends at once what this program has started and not ended. @type {Set<() => void>} */
const ends = new Set();
process.on("exit", () => ends.forEach((end) => end()));

/**
 * @typedef {object} Service
 * @property {string} name
 * @property {number} pid
 * @property {string} readyLine the line that said it was ready
 * @property {Promise<number | null>} exited resolves with the exit code, `null` where a signal ended it
 * @property {() => Promise<void>} stop ends it; harmless when it has ended
 */

/**
 * Starts a program and waits until it says that it is ready.
 *
 * @param {string} name for messages
 * @param {string} program
 * @param {string[]} args
 * @param {{
 *   ready: RegExp,
 *   cwd?: string,
 *   env?: NodeJS.ProcessEnv,
 *   onLine?: (line: string) => void,
 * }} options `ready` is looked for in each line of its output, without colours
 * @returns {Promise<Service>}
 */
export function startService(name, program, args, { ready, cwd, env, onLine }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    /** @type {string[]} */
    const lines = [];
    /** @type {Promise<number | null>} */
    const exited = new Promise((settle) => child.once("close", (code) => settle(code)));
    const end = () => void child.kill("SIGKILL");
    ends.add(end);
    child.once("exit", () => ends.delete(end));
    const stop = async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
      await exited;
      clearTimeout(timer);
    };
    for (const pipe of [child.stdout, child.stderr]) {
      let rest = "";
      pipe.setEncoding("utf8");
      pipe.on("data", (/** @type {string} */ text) => {
        const complete = (rest + text).split(/\r?\n/);
        rest = complete.pop() ?? "";
        for (const line of complete) {
          lines.push(line);
          if (lines.length > 50) lines.shift();
          onLine?.(line);
          const plain = line.replaceAll(/\x1b\[[\d;]*m/g, "");
          if (ready.test(plain)) resolve({ name, pid: child.pid ?? 0, readyLine: plain, exited, stop });
        }
      });
    }
    child.once("error", (error) => reject(new Plain(`${name} could not be started: ${error.message}`)));
    exited.then((code) => reject(new Plain(`${name} ended with code ${code} before it was ready:\n${lines.join("\n")}`)));
  });
}

/**
 * The first free TCP port on 127.0.0.1 from `first` on.
 *
 * @param {number} first
 * @returns {Promise<number>}
 */
export async function freePort(first) {
  for (let port = first; port < first + 100 && port < 65_536; port += 1) if (await isFree(port)) return port;
  throw new Plain(`None of the ports ${first} to ${first + 99} is free; name another with --port.`);
}

/** @param {number} port */
function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
