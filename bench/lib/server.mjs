// A release build of flagwire-server for the measurements, with flags of any number.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildServer } from "../../scripts/lib/products.mjs";
import { startService } from "../../scripts/lib/services.mjs";
import { quietStep } from "../../scripts/lib/steps.mjs";
import { atEnd, tempDir } from "../../tests/lib/scope.mjs";

export const CLIENT_KEY = "flagwire-dev-client-key";

/** @type {Promise<string> | undefined} */
let built;

/** The binary: built for release, or what `FLAGWIRE_SERVER` names. */
export function binary() {
  return (built ??= process.env.FLAGWIRE_SERVER ? Promise.resolve(process.env.FLAGWIRE_SERVER) : buildServer(quietStep("server")));
}

/** @param {number} index */
export function flagName(index) {
  return `flag-${String(index).padStart(5, "0")}`;
}

/** @param {number} count */
export function flagNames(count) {
  return Array.from({ length: count }, (_, index) => flagName(index));
}

/**
 * The text of a flags file: booleans, every second one true, or the other way round.
 *
 * @param {number} count
 * @param {{ turned?: boolean }} [options]
 */
export function flagsFile(count, { turned = false } = {}) {
  return `flags:\n${flagNames(count).map((name, index) => `  ${name}: ${(index % 2 === 1) !== turned}\n`).join("")}`;
}

/**
 * Starts a server.
 *
 * @param {import("../../tests/lib/scope.mjs").Scope} scope ends it
 * @param {{ flags: string, args?: string[], logRequests?: boolean, drainSeconds?: number }} options `drainSeconds`: how long it has to end its streams
 */
export async function startServer(scope, { flags, args = [], logRequests = false, drainSeconds = 0 }) {
  const file = join(tempDir(scope), "flags.yaml");
  writeFileSync(file, flags);
  /** @type {{ method: string, path: string, status: number }[]} */
  const requests = [];
  const onLine = (/** @type {string} */ line) => {
    if (!logRequests || !line.includes('"request"')) return;
    const { message, method, path, status } = JSON.parse(line);
    if (message === "request") requests.push({ method, path, status });
  };
  const level = logRequests ? "debug" : "info";
  const service = await startService("flagwire-server", await binary(), ["--flags", file, "--listen", "127.0.0.1:0", "--log-format", "json", "--log-level", level, "--drain-seconds", String(drainSeconds), ...args], {
    ready: /listening on http/,
    onLine,
  });
  atEnd(scope, () => service.stop());
  const url = /http:\/\/[\w.:[\]-]+/.exec(service.readyLine)?.[0];
  if (!url) throw new Error(`the server's address is missing in “${service.readyLine}”`);
  return {
    url,
    pid: service.pid,
    stop: service.stop,
    /** Requests that were answered, in their order. A stream counts as it ends. */
    requests,
    /** Sets what a flag serves, as the admin page does; it is in force when this resolves. */
    async set(/** @type {string} */ flag, /** @type {boolean | string} */ variation) {
      const reply = await fetch(`${url}/admin/flags/${flag}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ default: String(variation) }) });
      await reply.arrayBuffer();
      if (!reply.ok) throw new Error(`the server did not change ${flag}: ${reply.status}`);
    },
    /** Saves the file again, as editors do: written beside and renamed over. */
    save(/** @type {string} */ text) {
      if (text === readFileSync(file, "utf8")) throw new Error("nothing would change");
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    },
  };
}
