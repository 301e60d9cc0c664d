// Runs `npx flagwire types`, which writes a project's own flags as types.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { differences, declaration } from "./declaration.mjs";
import { Mistake, messageOf } from "./mistake.mjs";
import { readFlagsFile } from "./reader.mjs";
import { flagOfConfig, flagsOfServer } from "./server.mjs";
import { findProject } from "./tsconfig.mjs";

const NAME = "flagwire-flags.d.ts";
const USAGE = `npx flagwire types (--flags <file> | --base-url <URL> --api-key <key>) [--out <file>] [--check]

Writes a .d.ts with the names and types of your flags. Unknown names and wrong defaults are compile errors from then on.

  --flags     a flags file of flagwire-server
  --base-url  where the flags are served, e.g. http://127.0.0.1:7700 or https://config.ff.harness.io/api/1.0
  --api-key   a key of the environment. A server key tells all variations; a client key the values of one target
  --out       the file to write; - prints it. Default: ${NAME} where your tsconfig.json includes it
  --check     writes nothing, and exits with 1 where the file is missing or out of date
`;

/** @param {string[]} args */
export async function writesTypes(args) {
  const { flags: file, "base-url": baseUrl, "api-key": apiKey, out, check, help } = parse(args);
  if (help) return void process.stdout.write(USAGE);
  if (!file && !(baseUrl && apiKey)) throw new Mistake(`Give --flags, or --base-url and --api-key.\n\n${USAGE}`);
  if (file && (baseUrl || apiKey)) throw new Mistake(`Give either --flags, or --base-url and --api-key.\n\n${USAGE}`);
  if (out === "-" && check) throw new Mistake(`--check compares a file; --out - names none.\n\n${USAGE}`);
  const flags = file ? flagsOfFile(file) : await flagsOfServer(baseUrl ?? "", apiKey ?? "");
  const text = declaration(flags, file ?? baseUrl ?? "");
  if (out === "-") return void process.stdout.write(text);

  const project = findProject(process.cwd());
  const path = out ? resolve(out) : (project?.placeOf(NAME) ?? resolve(NAME));
  const shown = relative(process.cwd(), path);
  if (check) {
    const differs = differences(existsSync(path) ? readFileSync(path, "utf8") : undefined, text);
    if (differs) throw new Mistake(`${shown} ${differs}. Write it with the same command without --check.`);
    console.log(`${shown} is up to date`);
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`${flags.size} flags written to ${shown}`);
  }
  const warning = notCompiled(project, path);
  if (warning) console.error(warning);
}

/**
 * The flags of a flags file. What the server would refuse gets no types.
 *
 * @param {string} file
 * @returns {import("./declaration.mjs").Flags}
 */
function flagsOfFile(file) {
  const { lines, summary, flags } = readFlagsFile(file);
  if (summary === null) throw new Mistake(`${lines.join("\n")}\nNo types were written: the server would refuse this file.`);
  for (const line of lines) console.error(line);
  return new Map(flags.map((flag) => [flag.feature, flagOfConfig(flag)]));
}

/** @param {string[]} args */
function parse(args) {
  const text = /** @type {const} */ ({ type: "string" });
  const yes = /** @type {const} */ ({ type: "boolean" });
  try {
    return parseArgs({ args, options: { flags: text, "base-url": text, "api-key": text, out: text, check: yes, help: { ...yes, short: "h" } } }).values;
  } catch (error) {
    throw new Mistake(`${messageOf(error)}\n\n${USAGE}`);
  }
}

/**
 * Returns a warning if the compiler does not include a file, because it would then silently accept any name.
 *
 * @param {import("./tsconfig.mjs").Project | undefined} project
 * @param {string} path
 */
function notCompiled(project, path) {
  const shown = (/** @type {string} */ file) => relative(process.cwd(), file).replaceAll("\\", "/");
  if (!project) return `There is no tsconfig.json here. Put ${shown(path)} where your compiler finds it: among its files, or by \`/// <reference path="…" />\`.`;
  if (project.includes(path)) return undefined;
  const better = project.placeOf(NAME);
  const config = project.configs.find(({ ownsFiles }) => ownsFiles) ?? project.configs[0];
  const add = `add "${relative(dirname(config?.file ?? ""), path).replaceAll("\\", "/")}" to \`include\` in ${shown(config?.file ?? "tsconfig.json")}`;
  return `The compiler does not see ${shown(path)}: no \`files\` or \`include\` of ${project.configs.map(({ file }) => shown(file)).join(", ")} reaches it. ${
    project.includes(better) ? `Write to ${shown(better)} in place of it, or ${add}.` : `${add[0]?.toUpperCase()}${add.slice(1)}.`
  }`;
}
