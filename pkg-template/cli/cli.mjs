// The package's command, `npx flagwire`.

import { checksFiles } from "./check.mjs";
import { migrates } from "./migrate.mjs";
import { Mistake } from "./mistake.mjs";
import { writesTypes } from "./types.mjs";

/* global VERSION: the build puts the package's version in its place. */

const USAGE = `npx flagwire types …     writes the names and types of your flags, for TypeScript
npx flagwire check …     says where a flags file has mistakes
npx flagwire migrate …   rewrites code for Harness's SDKs to this package
npx flagwire --version   prints the package's version
npx flagwire --help      prints this; after a command, what it takes

Exits with 0 where it did what was asked, else with 1.
`;

/** @param {string[]} args */
async function main([command, ...args]) {
  switch (command) {
    case "types":
      return writesTypes(args);
    case "check":
      return checksFiles(args);
    case "migrate":
      return migrates(args);
    case "--version":
    case "-v":
    case "-V":
      return console.log(VERSION);
    case "--help":
    case "-h":
    case "help":
      return void process.stdout.write(USAGE);
    case undefined:
      throw new Mistake(`Say what to do.\n\n${USAGE}`);
    default:
      throw new Mistake(`There is no ${command.startsWith("-") ? "option" : "command"} ${command}.\n\n${USAGE}`);
  }
}

main(process.argv.slice(2)).catch((error) => {
  // A mistake of the caller is reported in a sentence. Any other error is a fault of the program, for which the stack helps.
  console.error(error instanceof Mistake ? error.message : error);
  process.exitCode = 1;
});
