// `npx flagwire types`: writes a project's own flags as types.

import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { declaration, flagsOfFile, flagsOfServer } from "./types.mjs";

const USAGE = `npx flagwire types (--flags <file> | --base-url <URL> --api-key <key>) [--out <file>]

Writes a .d.ts with the names and types of your flags. Unknown names and wrong defaults are compile errors from then on.

  --flags     a flags file of flagwire-server
  --base-url  where the flags are served, e.g. http://127.0.0.1:7700 or https://config.ff.harness.io/api/1.0
  --api-key   a key of the environment. A server key tells all variations; a client key the values of one target
  --out       the file to write; - prints it. Default: flagwire-flags.d.ts
`;

/** A mistake of who called, said in a sentence. */
class Plain extends Error {}

async function main() {
  const { values, positionals } = parse();
  if (values.help) return void process.stdout.write(USAGE);
  if (positionals.length !== 1 || positionals[0] !== "types") throw new Plain(`There is one command: types.\n\n${USAGE}`);
  const { flags: file, "base-url": baseUrl, "api-key": apiKey, out = "flagwire-flags.d.ts" } = values;
  if (!file && !(baseUrl && apiKey)) throw new Plain(`Give --flags, or --base-url and --api-key.\n\n${USAGE}`);
  const flags = file ? flagsOfFile(read(file)) : await flagsOfServer(baseUrl ?? "", apiKey ?? "");
  const text = declaration(flags, file ?? baseUrl ?? "");
  if (out === "-") return void process.stdout.write(text);
  writeFileSync(out, text);
  console.log(`${flags.size} flags written to ${out}`);
}

function parse() {
  const text = /** @type {const} */ ({ type: "string" });
  try {
    return parseArgs({ allowPositionals: true, options: { flags: text, "base-url": text, "api-key": text, out: text, help: { type: "boolean", short: "h" } } });
  } catch (error) {
    throw new Plain(`${message(error)}\n\n${USAGE}`);
  }
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Plain(`${file} cannot be read: ${message(error)}`);
  }
}

/** @param {unknown} error */
function message(error) {
  return error instanceof Error ? error.message : String(error);
}

main().catch((error) => {
  console.error(message(error));
  process.exitCode = 1;
});
