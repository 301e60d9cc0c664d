// `npm run load [-- --streams 10000] [-- --rounds 10]`: so many browsers' streams on one flagwire-server, then requests, then its
// end, and tables of what came of it. `--streams 1000,5000,10000` takes one after the other. `--replicas 3` does something else:
// so many servers that share through Redis, and how long a change takes to the streams of each.

import { parseArgs } from "node:util";
import { Plain } from "../scripts/lib/run.mjs";
import { script } from "../scripts/lib/steps.mjs";
import { load } from "./lib/load.mjs";
import { replicaLag } from "./lib/replicas.mjs";
import { flagsFile, startServer } from "./lib/server.mjs";
import { bytes, short, table } from "./lib/stats.mjs";

/** How long the server has to end its streams. */
const DRAIN_SECONDS = 15;

await script(async () => {
  const { values } = parseArgs({ options: { streams: { type: "string", default: "1000" }, rounds: { type: "string", default: "5" }, "event-evaluations": { type: "string", default: "true" }, replicas: { type: "string" } } });
  const replicas = Number(values.replicas ?? 2);
  if (!(Number.isInteger(replicas) && replicas > 1)) throw new Plain("--replicas must be a whole number above 1.");
  const rounds = Number(values.rounds);
  const sizes = values.streams.split(",").map(Number);
  if (!sizes.every((streams) => Number.isInteger(streams) && streams > 0)) throw new Plain("--streams must be a whole number above 0, or several with commas between.");
  if (!(Number.isInteger(rounds) && rounds > 0)) throw new Plain("--rounds must be a whole number above 0.");
  const ends = /** @type {(() => Promise<void>)[]} */ ([]);
  const start = (/** @type {{ args?: string[], drainSeconds?: number }} */ options) => startServer({ after: (fn) => void ends.push(fn) }, { flags: flagsFile(100), ...options });
  try {
    if (values.replicas !== undefined) {
      const rows = (await replicaLag({ after: (fn) => void ends.push(fn) }, replicas)).map(({ askedOf, told, times }) => [askedOf, told, short(times.median), short(times.p99), short(times.max), times.n]);
      console.log(`${replicas} replicas that share through Redis: milliseconds from a change being asked of one of them to the streams told.\n`);
      console.log(table(["change asked of", "streams", "median", "p99", "last", "samples"], rows));
      return;
    }
    for (const streams of sizes) {
      const server = await start({ args: ["--event-evaluations", values["event-evaluations"]] });
      const result = /** @type {import("./lib/load.mjs").Fanout} */ (await load("fanout", server, { streams, rounds }));
      console.log(
        `${streams.toLocaleString("en")} streams: opened at ${short(result.opensPerSecond)} a second, after ${short(result.signInsPerSecond)} sign-ins a second; ` +
          `${result.bytesPerStream === null ? "memory unknown here" : `${bytes(result.bytesPerStream)} bytes of the server's memory each`}.\n`,
      );
      console.log("Milliseconds from the change being asked for to the streams told, and what it cost the server:\n");
      console.log(
        table(
          ["change", "first", "median", "p99", "last", "server CPU, ms"],
          result.rounds.map(({ first, median, p99, last, cpuMs }, index) => [index + 1, short(first), short(median), short(p99), short(last), cpuMs === null ? "–" : short(cpuMs)]),
        ),
      );
    }

    const server = await start({});
    const rows = [];
    for (
      const [mode, what] of /** @type {const} */ ([
        ["unseen", "all evaluations of a target not seen before"],
        ["evaluations", "all evaluations"],
        ["unchanged", "the same with If-None-Match: 304"],
        ["accepts", "the cheapest, each on a connection of its own"],
      ])
    ) {
      const { perSecond, median, p99, cpuUsPerRequest } = /** @type {import("./lib/load.mjs").Requests} */ (await load(mode, server));
      rows.push([what, short(perSecond), short(median), short(p99), cpuUsPerRequest === null ? "–" : short(cpuUsPerRequest)]);
    }
    console.log("\nRequests, with 100 flags:\n");
    console.log(table(["request", "a second", "median, ms", "p99, ms", "server CPU, µs each"], rows));

    const [streams] = sizes.slice(-1);
    const leaving = await start({ drainSeconds: DRAIN_SECONDS });
    const { endsBySecond, mostInTenthOfSecond, last } = /** @type {import("./lib/load.mjs").Drain} */ (await load("drain", leaving, { streams }));
    console.log(`\nThe server was told to end, with ${streams.toLocaleString("en")} streams open and ${DRAIN_SECONDS} s to do so. Streams that ended, which is when their readers come back:\n`);
    console.log(table(["second", "ended"], endsBySecond.map((count, second) => [second + 1, count.toLocaleString("en")])));
    console.log(`\nThe most in a tenth of a second: ${mostInTenthOfSecond}; the last after ${short(last)} ms.`);
  } finally {
    for (const end of ends) await end();
  }
});
