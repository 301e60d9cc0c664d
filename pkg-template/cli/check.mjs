// `npx flagwire check`: says where a flags file has mistakes.

import { parseArgs } from "node:util";
import { Mistake, messageOf } from "./mistake.mjs";
import { readFlagsFile } from "./reader.mjs";

const USAGE = `npx flagwire check [<file> …]

Says where flags files have mistakes, as \`flagwire-server check\` does and by the same code. Without a file it checks flags.yaml.
Regular expressions are left to the server: how many there are is said in the end.

Exits with 1 where a file has a mistake or cannot be read. Warnings change nothing.
`;

/** @param {string[]} args */
export function checksFiles(args) {
  const { help, files } = parse(args);
  if (help) return void process.stdout.write(USAGE);
  for (const file of files.length ? files : ["flags.yaml"]) {
    try {
      const { lines, summary, patterns } = readFlagsFile(file);
      for (const line of lines) console.error(line);
      if (summary === null) process.exitCode = 1;
      else console.log(patterns ? `${summary}\n${file}: ${notChecked(patterns)}` : summary);
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      console.error(error.message);
      process.exitCode = 1;
    }
  }
}

/** @param {number} patterns */
function notChecked(patterns) {
  return `${patterns === 1 ? "1 regular expression was" : `${patterns} regular expressions were`} not checked; \`flagwire-server check\` does that`;
}

/** @param {string[]} args */
function parse(args) {
  try {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { help: { type: "boolean", short: "h" } } });
    return { help: values.help, files: positionals };
  } catch (error) {
    throw new Mistake(`${messageOf(error)}\n\n${USAGE}`);
  }
}
