// RESULTS.md and the plots, from what was measured.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { short } from "./stats.mjs";

/**
 * @typedef {object} Section
 * @property {string} date
 * @property {string} commit
 * @property {boolean} quick
 * @property {string} [note]
 * @property {[number, number]} load
 * @property {number} seconds
 * @property {any} data
 *
 * @typedef {{ machine?: Awaited<ReturnType<typeof import("./machine.mjs").machine>>, sections: Record<string, Section> }} Results
 */

const ORDER = ["size", "reads", "start", "change", "memory", "server"];

/**
 * @param {Results} results
 * @param {string} out the folder
 */
export async function render({ machine, sections }, out) {
  const parts = [
    "# Flagwire beside its peers",
    "Written by `npm run bench`; `npm run bench -- --only reads` measures one section again, `-- --quick` only proves that the suite works. " +
    "Each section is measured in one go on one machine, the candidates taking turns, so ratios say more than figures. " +
    "Medians are given with the bounds between which half of the samples lie. Samples are in `results.json`.",
  ];
  if (machine) {
    const peers = Object.entries(machine.peers).map(([name, version]) => `${name} ${version}`);
    parts.push(
      `**Machine**: ${machine.cpu}, ${machine.memory}, ${machine.system}. **With**: Node ${machine.node}, ${machine.chromium}, ${machine.rust}. **Peers**: ${peers.join(", ")}.`,
    );
  }
  for (const name of ORDER) {
    const section = await import(`../sections/${name}.mjs`);
    const result = sections[name];
    parts.push(`## ${section.title}`);
    if (!result) {
      parts.push("Not measured yet.");
      continue;
    }
    const { date, commit, quick, note, load, seconds, data } = result;
    parts.push(
      `*${date}, at ${commit}; ${seconds} s, load average ${short(load[0])} before and ${short(load[1])} after${quick ? "; **a quick run, which says nothing**" : ""}.${note ? ` ${note}` : ""}*`,
    );
    for (const [file, svg] of Object.entries(section.plots?.(data) ?? {})) writeFileSync(join(out, "plots", file), svg);
    parts.push(section.report(data));
  }
  parts.push(
    "## What this does not say",
    [
      "- Nothing went over a real network. The added latency is constant: no loss, no bandwidth limit, no TLS, no HTTP/2.",
      "- One engine (V8), one desktop-class machine; no phone, no Firefox, no Safari.",
      "- The peers' own services were not reached. Reads use bootstrap or stub data; start and change are compared with the Harness SDK alone, because it is the one that speaks to the same server.",
      "- The Harness relay proxy and other servers were not measured; the server's figures stand alone, and its load tool ran on the same processors.",
      "- Memory after many events means thousands of events sent quickly, not a day of waiting.",
    ].join("\n"),
  );
  writeFileSync(join(out, "RESULTS.md"), `${parts.join("\n\n")}\n`);
}
