// `npm run load [-- --streams 10000] [-- --rounds 10]`: so many browsers' streams on one flagwire-server, and a table of what came of it.

import { parseArgs } from "node:util";
import { Plain } from "../scripts/lib/run.mjs";
import { script } from "../scripts/lib/steps.mjs";
import { load } from "./lib/load.mjs";
import { flagsFile, startServer } from "./lib/server.mjs";
import { bytes, short, table } from "./lib/stats.mjs";

await script(async () => {
  const { values } = parseArgs({ options: { streams: { type: "string", default: "1000" }, rounds: { type: "string", default: "5" }, "event-evaluations": { type: "string", default: "true" } } });
  const [streams, rounds] = [Number(values.streams), Number(values.rounds)];
  if (!(Number.isInteger(streams) && streams > 0)) throw new Plain("--streams must be a whole number above 0.");
  if (!(Number.isInteger(rounds) && rounds > 0)) throw new Plain("--rounds must be a whole number above 0.");
  const ends = /** @type {(() => Promise<void>)[]} */ ([]);
  try {
    const server = await startServer({ after: (fn) => void ends.push(fn) }, { flags: flagsFile(100), args: ["--event-evaluations", values["event-evaluations"]] });
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
  } finally {
    for (const end of ends) await end();
  }
});
