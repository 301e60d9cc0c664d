// A flagwire-server for one test: its own flags file, a free port, and a log of the requests it got.

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nativeTargetDir } from "../../scripts/lib/paths.mjs";
import { startService } from "../../scripts/lib/services.mjs";
import { atEnd, tempDir } from "./scope.mjs";
import { impatience, PATIENCE_MS, until } from "./wait.mjs";

/** What the server accepts when it was given no keys. */
export const CLIENT_KEY = "flagwire-dev-client-key";
export const SERVER_KEY = "flagwire-dev-server-key";

/** Where requests of the tests' own go, which are no client's. */
const MARK = "/mark-of-a-test/";

/**
 * @typedef {object} LoggedRequest
 * @property {string} method
 * @property {string} path without the query
 * @property {number} status
 */

/** The binary that tests run: `npm test` builds it first; `FLAGWIRE_SERVER` names another, such as a release build. */
export function serverBinary() {
  const path = process.env.FLAGWIRE_SERVER ?? join(nativeTargetDir, "debug", process.platform === "win32" ? "flagwire-server.exe" : "flagwire-server");
  if (!existsSync(path)) throw new Error(`There is no ${path}: run \`cargo build -p flagwire-server\` first.`);
  return path;
}

/**
 * Starts a server.
 *
 * @param {import("./scope.mjs").Scope} t ends the server with the test
 * @param {{ flags?: string, args?: string[], env?: NodeJS.ProcessEnv }} [options] `flags` is the text of the flags file; without
 *   it the server writes its sample. `args` are further command-line options.
 * @returns {Promise<TestServer>}
 */
export async function startServer(t, { flags, args = [], env } = {}) {
  const flagsFile = join(tempDir(t), "flags.yaml");
  if (flags !== undefined) writeFileSync(flagsFile, flags);
  const server = new TestServer(flagsFile, args, { ...process.env, ...env });
  atEnd(t, () => server.stop());
  await server.start();
  return server;
}

export class TestServer {
  /** Base URL, without a slash at its end. */
  url = "";
  /** Every request since the last `forgetRequests`, preflights left out, in the order in which they were answered. */
  requests = /** @type {LoggedRequest[]} */ ([]);
  /** Every line that the server printed. */
  lines = /** @type {string[]} */ ([]);
  flagsFile;

  #args;
  #env;
  #listen = "127.0.0.1:0";
  /** @type {import("../../scripts/lib/services.mjs").Service | undefined} */
  #service;
  #listeners = new Set(/** @type {(() => void)[]} */ ([]));
  #marks = 0;
  #marked = "";

  /**
   * @param {string} flagsFile
   * @param {string[]} args
   * @param {NodeJS.ProcessEnv} env
   */
  constructor(flagsFile, args, env) {
    this.flagsFile = flagsFile;
    this.#args = args;
    this.#env = env;
  }

  /** Starts it; after a `stop` on the same port as before, as a restarted server would be. */
  async start() {
    const drain = this.#args.includes("--drain-seconds") ? [] : ["--drain-seconds", "0"];
    const run = () =>
      startService(
        "flagwire-server",
        serverBinary(),
        ["--flags", this.flagsFile, "--listen", this.#listen, "--log-format", "json", "--log-level", "debug", ...drain, ...this.#args],
        { ready: /listening on http/, env: this.#env, onLine: (line) => this.#read(line) },
      );
    // While a server was stopped, any connection that goes out from this machine may have been given its port.
    const service = await run().catch((error) => {
      if (this.#listen.endsWith(":0") || !/in use/i.test(String(error))) throw error;
      return until("the port of the stopped server to be free", () => run().catch(() => undefined));
    });
    this.#service = service;
    this.url = /https?:\/\/[\w.:[\]-]+/.exec(service.readyLine)?.[0] ?? "";
    this.#listen = new URL(this.url).host;
  }

  get pid() {
    return this.#service?.pid ?? 0;
  }

  /**
   * Ends it as a supervisor would (SIGTERM).
   *
   * @returns {Promise<number | null | undefined>} the exit code; `null` where it had to be killed
   */
  async stop() {
    await this.#service?.stop();
    return this.#service?.exited;
  }

  /** Ends it as a crash would. */
  async kill() {
    process.kill(this.pid, "SIGKILL");
    await this.#service?.exited;
  }

  /**
   * Saves the flags file, as editors do: written beside and renamed over.
   *
   * @param {(text: string) => string} change gets the present text
   */
  editFlags(change) {
    const before = readFileSync(this.flagsFile, "utf8");
    const text = change(before);
    if (text === before) throw new Error("the edit changed nothing in the flags file");
    writeFileSync(`${this.flagsFile}.new`, text);
    renameSync(`${this.flagsFile}.new`, this.flagsFile);
  }

  forgetRequests() {
    this.requests.length = 0;
  }

  /**
   * Waits until a logged request fulfils the condition; one that is logged already counts.
   *
   * @param {(request: LoggedRequest) => boolean} condition
   * @returns {Promise<LoggedRequest>}
   */
  request(condition) {
    return this.#until(`the server to log a request with ${condition}`, () => this.requests.find(condition));
  }

  /**
   * Every request that has been answered by now: what somebody else has heard of already may not have been logged here yet. The server logs
   * a request before it answers, one after the other.
   *
   * @returns {Promise<LoggedRequest[]>}
   */
  async answered() {
    const path = `${MARK}${(this.#marks += 1)}`;
    await fetch(this.url + path);
    await this.#until("the server to log a request of the test's own", () => (this.#marked === path ? true : undefined));
    return this.requests;
  }

  /**
   * Waits until a client's stream is open: the server counts a stream among its readers before it answers the request, so no change from
   * here on is kept from it. A stream that has been opened since the last `forgetRequests` counts.
   */
  stream() {
    return this.request(({ method, path, status }) => method === "GET" && path.endsWith("/stream") && status === 200);
  }

  /**
   * Waits until the server has printed a line that matches.
   *
   * @param {RegExp} pattern
   * @returns {Promise<string>}
   */
  line(pattern) {
    return this.#until(`the server to print ${pattern}`, () => this.lines.find((line) => pattern.test(line)));
  }

  /**
   * @template T
   * @param {string} what
   * @param {() => T | undefined} look
   * @returns {Promise<T>}
   */
  #until(what, look) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#listeners.delete(check);
        reject(impatience(`${what}; its last lines:\n${this.lines.slice(-10).join("\n")}`));
      }, PATIENCE_MS).unref();
      const check = () => {
        const found = look();
        if (found === undefined) return;
        clearTimeout(timer);
        this.#listeners.delete(check);
        resolve(found);
      };
      this.#listeners.add(check);
      check();
    });
  }

  /** @param {string} line */
  #read(line) {
    this.lines.push(line);
    const { message, method, path, status } = parse(line);
    // A browser sends a preflight by itself, with the path of the request that it then sends or does not.
    if (message === "request" && path.startsWith(MARK)) this.#marked = path;
    else if (message === "request" && method !== "OPTIONS") this.requests.push({ method, path, status });
    for (const check of this.#listeners) check();
  }
}

/**
 * A line of the log; what is not one, such as the greeting at the start, has no fields.
 *
 * @param {string} line
 */
function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}
