// Times reads: the same code in Node and in a page. Bundled with `peers.mjs`.

import { peers } from "./peers.mjs";

/** A sample that is shorter than this says little: clocks in pages tick every tenth of a millisecond. */
const SAMPLE_MS = 8;

/**
 * @param {import("./peers.mjs").Setting} setting
 * @param {{ rounds: number, only?: string[], sampleMs?: number }} options
 * @returns {Promise<{ samples: { peer: string, ours: boolean, counting: boolean, pattern: "same" | "all", ns: number[] }[], failed: { peer: string, counting: boolean, reason: string }[] }>}
 */
export async function measure(setting, { rounds, only, sampleMs = SAMPLE_MS }) {
  const failed = [];
  const cases = [];
  for (const { name, ours = false, expression, counting, start } of peers) {
    if (only && !only.includes(name)) continue;
    for (const counted of counting) {
      try {
        const client = await within(60_000, start(setting, counted));
        // Code of its own for each: what the compiler learns of one SDK must not serve or spoil another. V8 keeps what it learned with
        // the text of the code, so the text differs as well; with equal texts, `variation` of five SDKs became one call site.
        const loop = (/** @type {string} */ pattern) =>
          new Function("c", "keys", "n", `let on = 0, i = 0; const l = keys.length; for (let j = 0; j < n; j++) { const k = keys[i]; if (${expression}) on++; if (++i === l) i = 0; } return on; // ${name}, ${counted}, ${pattern}`);
        for (
          const [pattern, keys] of /** @type {const} */ ([
            ["all", setting.flags],
            ["same", [setting.flags[501 % setting.flags.length]]],
          ])
        ) {
          const run = /** @type {(c: unknown, keys: string[], n: number) => number} */ (loop(pattern));
          const expected = pattern === "all" ? setting.flags.length / 2 : setting.flags.length;
          const on = run(client, keys, setting.flags.length);
          if (on !== expected) throw new Error(`reads ${on} flags as on, not ${expected}`);
          cases.push({ peer: name, ours, counting: counted, pattern, client, run, keys, n: 0, ns: /** @type {number[]} */ ([]) });
        }
      } catch (error) {
        failed.push({ peer: name, counting: counted, reason: reasonOf(error) });
      }
    }
  }
  // Warm-up, and how many reads make a sample: the shortest of three, for one that was interrupted says nothing.
  for (const one of cases) {
    for (one.n = setting.flags.length;; one.n *= 2) {
      if (Math.min(time(one), time(one), time(one)) >= sampleMs) break;
    }
  }
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? cases : [...cases].reverse();
    for (const one of order) {
      one.ns.push((time(one) * 1e6) / one.n);
      // What SDKs put off runs between the samples, as it does in a page.
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  return { samples: cases.map(({ peer, ours, counting, pattern, ns }) => ({ peer, ours, counting, pattern, ns })), failed };
}

/** What went wrong, with its causes: `fetch failed` alone says nothing. @param {unknown} error @returns {string} */
function reasonOf(error) {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`;
}

/** @param {{ run: (c: unknown, keys: string[], n: number) => number, client: unknown, keys: string[], n: number }} one */
function time({ run, client, keys, n }) {
  const from = performance.now();
  const on = run(client, keys, n);
  const took = performance.now() - from;
  if (on === 0) throw new Error("the reads were not done");
  return took;
}

/**
 * @param {number} ms
 * @param {unknown} promise
 */
function within(ms, promise) {
  return Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error(`not ready after ${ms} ms`)), ms))]);
}
