// Calling cargo with its own progress count shown: `57 of 212 crates built`.

import { run } from "./run.mjs";

/**
 * Runs cargo to its end.
 *
 * @param {string[]} args
 * @param {import("./steps.mjs").Step} step
 * @param {{ cargo?: string, cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<{ code: number, output: string }>} `output` has no progress bars in it
 */
export async function cargo(args, step, { cargo: program = "cargo", cwd, env = process.env } = {}) {
  const { code, output } = await run(program, args, {
    cwd,
    // Cargo draws its bar on a terminal only, unless these variables ask for it.
    env: { ...env, CARGO_TERM_PROGRESS_WHEN: "always", CARGO_TERM_PROGRESS_WIDTH: "80", CARGO_TERM_COLOR: "never" },
    onLine: (line) => {
      const counted = /^\s*Building \[.*?(\d+)\/(\d+)/.exec(line);
      if (counted) step.progress(`${counted[1]} of ${counted[2]} crates built`);
    },
  });
  const lines = output.split(/\r\n|\r|\n/).filter((line) => !/^\s*Building \[/.test(line));
  return { code, output: lines.join("\n") };
}
