// Runs the load tool (crates/server/examples/load.rs) against a server.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { cargo } from "../../scripts/lib/cargo.mjs";
import { nativeTargetDir, root } from "../../scripts/lib/paths.mjs";
import { Plain, run, tail } from "../../scripts/lib/run.mjs";
import { quietStep } from "../../scripts/lib/steps.mjs";

/** @type {Promise<string> | undefined} */
let built;

/** The tool: built for release, or what `FLAGWIRE_LOAD` names. */
function tool() {
  return (built ??= process.env.FLAGWIRE_LOAD ? Promise.resolve(process.env.FLAGWIRE_LOAD) : build());
}

async function build() {
  const { code, output } = await cargo(["build", "--release", "-p", "flagwire-server", "--example", "load"], quietStep("load tool"), { cwd: root });
  const path = join(nativeTargetDir, "release", "examples", process.platform === "win32" ? "load.exe" : "load");
  if (code !== 0 || !existsSync(path)) throw new Plain(`The load tool could not be built:\n${tail(output, 40)}`);
  return path;
}

/**
 * @typedef {{ first: number, median: number, p99: number, last: number, cpuMs: number | null }} Round ms from the change being asked for
 * @typedef {{ streams: number, signInsPerSecond: number, opensPerSecond: number, bytesPerStream: number | null, rounds: Round[] }} Fanout
 * @typedef {{ streams: number, endsBySecond: number[], mostInTenthOfSecond: number, last: number }} Drain
 * @typedef {{ requests: number, perSecond: number, bodyBytes: number, median: number, p99: number, cpuUsPerRequest: number | null }} Requests
 */

/**
 * @param {"fanout" | "drain" | "evaluations" | "unseen" | "unchanged" | "accepts"} mode
 * @param {{ url: string, pid: number }} server
 * @param {Record<string, string | number>} [options] of the tool, without dashes
 * @returns {Promise<any>} a `Fanout`, `Drain` or `Requests`
 */
export async function load(mode, { url, pid }, options = {}) {
  const args = [mode, "--address", new URL(url).host, ...(pid > 0 ? ["--pid", String(pid)] : []), ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])];
  const { code, output } = await run(await tool(), args, { cwd: root });
  const line = output.split("\n").find((line) => line.startsWith("{"));
  if (code !== 0 || !line) throw new Plain(`The load tool failed (${args.join(" ")}):\n${tail(output)}`);
  return JSON.parse(line);
}
