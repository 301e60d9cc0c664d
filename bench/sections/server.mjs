// What the server does: fan-out, memory of streams, connections and requests. Its load tool runs on the same processors.

import { readFileSync } from "node:fs";
import { load } from "../lib/load.mjs";
import { bars } from "../lib/plot.mjs";
import { flagsFile, startServer } from "../lib/server.mjs";
import { bytes, short, spread, summary, table } from "../lib/stats.mjs";

const FLAGS = 100;

export const title = "Server";

/**
 * @typedef {{ carried: boolean, tries: import("../lib/load.mjs").Fanout[] }} FanoutResult
 * @typedef {{ fanout: (FanoutResult & { streams: number })[], skipped: number[], requests: Record<string, import("../lib/load.mjs").Requests[]> }} Data
 */

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {{ quick: boolean, say: (text: string) => void, streams?: number[] }} options
 * @returns {Promise<Data>}
 */
export async function measure(scope, { quick, say, streams = quick ? [20] : [1_000, 5_000, 10_000] }) {
  const allowed = openFiles();
  // A few hundred files besides the streams: the server's own, and connections of those that sign in.
  const possible = streams.filter((count) => count + 500 <= allowed);
  const skipped = streams.filter((count) => !possible.includes(count));
  /** @type {Data["fanout"]} */
  const fanout = [];
  for (const count of possible) {
    for (const carried of [true, false]) {
      say(`${count.toLocaleString("en")} streams, ${carried ? "values in the events" : "events without values"}`);
      const tries = [];
      for (let time = 0; time < (quick ? 1 : 2); time++) {
        // A fresh one each time: memory that an earlier try left would be used again, and not seen.
        const server = await startServer(scope, { flags: flagsFile(FLAGS), args: ["--event-evaluations", String(carried)] });
        tries.push(await load("fanout", server, { streams: count, rounds: quick ? 1 : 5 }));
        await server.stop();
      }
      fanout.push({ streams: count, carried, tries });
    }
  }
  const server = await startServer(scope, { flags: flagsFile(FLAGS) });
  /** @type {Data["requests"]} */
  const requests = { evaluations: [], unchanged: [], accepts: [] };
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    for (const mode of /** @type {const} */ (["evaluations", "unchanged", "accepts"])) {
      say(`requests: ${mode}`);
      // New connections leave ports in waiting behind; few seconds of them keep below what there is.
      requests[mode].push(await load(mode, server, { seconds: quick ? 0.1 : mode === "accepts" ? 1 : 3 }));
    }
  }
  return { fanout, skipped, requests };
}

/** How many files a process started by this one may open. */
function openFiles() {
  try {
    const line = readFileSync("/proc/self/limits", "utf8").split("\n").find((line) => line.startsWith("Max open files"));
    return Number(line?.split(/\s+/)[3]) || Infinity;
  } catch {
    return Infinity; // not Linux: the tool will say it
  }
}

/** @param {FanoutResult} result @param {"first" | "median" | "p99" | "last" | "cpuMs"} key */
function rounds({ tries }, key) {
  return tries.flatMap((one) => one.rounds.map((round) => round[key] ?? Number.NaN)).filter((value) => !Number.isNaN(value));
}

/** @param {Data} data */
export function plots({ fanout }) {
  const rows = fanout.map((result) => {
    const { median, p25, p75 } = summary(rounds(result, "last"));
    return { label: `${result.streams.toLocaleString("en")} streams, ${result.carried ? "with" : "without"} values`, value: median, low: p25, high: p75, ours: true };
  });
  return { "server.svg": bars({ title: "A change asked for to the last stream notified, milliseconds", unit: "ms", rows }) };
}

/** @param {Data} data */
export function report({ fanout, skipped, requests }) {
  const cell = (/** @type {number[]} */ values) => (values.length > 0 ? spread(summary(values)) : "–");
  const names = { evaluations: `all evaluations of ${FLAGS} flags`, unchanged: "the same, answered by 304", accepts: "a new connection for each of the cheapest requests" };
  return [
    `**Fan-out.** Every stream is of another target. Milliseconds from the change being asked of the server (which writes the flags file) to the first, middle and last stream notified, as one process with all streams saw it, on the processors that the server needs too. Memory is what the server's resident set grew by for each stream; what the kernel keeps for a socket is not in it.`,
    table(
      ["streams", "values in events", "first", "median", "last", "server CPU, ms a change", "bytes a stream", "streams opened/s", "sign-ins/s"],
      fanout.map((result) => [
        result.streams.toLocaleString("en"),
        result.carried ? "yes" : "no",
        cell(rounds(result, "first")),
        cell(rounds(result, "median")),
        cell(rounds(result, "last")),
        cell(rounds(result, "cpuMs")),
        bytes(summary(result.tries.map(({ bytesPerStream }) => bytesPerStream ?? 0)).median),
        short(summary(result.tries.map(({ opensPerSecond }) => opensPerSecond)).median),
        short(summary(result.tries.map(({ signInsPerSecond }) => signInsPerSecond)).median),
      ]),
    ),
    ...(skipped.length > 0 ? [`Not measured, because a process here may not open that many files: ${skipped.map((count) => count.toLocaleString("en")).join(", ")} streams.`] : []),
    "![Fan-out](plots/server.svg)",
    `**Requests**, on 32 connections, each for another target:`,
    table(
      ["", "requests/s", "server CPU, µs a request", "p50, ms", "p99, ms", "body, bytes"],
      Object.entries(requests).map(([mode, results]) => [
        names[/** @type {keyof typeof names} */ (mode)],
        cell(results.map(({ perSecond }) => perSecond)),
        cell(results.map(({ cpuUsPerRequest }) => cpuUsPerRequest ?? Number.NaN).filter((value) => !Number.isNaN(value))),
        short(summary(results.map(({ median }) => median)).median),
        short(summary(results.map(({ p99 }) => p99)).median),
        mode === "evaluations" ? bytes(results[0].bodyBytes) : "–",
      ]),
    ),
  ].join("\n\n");
}
