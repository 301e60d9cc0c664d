// Debian's and Ubuntu's packages: what apt offers, and installing it where we may.

import { ask, Plain, run, tail, which } from "./run.mjs";

let updated = false;

/** Whether this script may install packages: apt is here, and we are root or may be without a password. */
export function mayInstall() {
  if (process.env.FLAGWIRE_NO_INSTALL || !which("apt-get")) return false;
  return process.getuid?.() === 0 || ask("sudo", ["-n", "true"]) !== undefined;
}

/**
 * Whether apt offers all of these packages. The lists are brought up to date once if it does not at first.
 *
 * @param {string[]} packages
 * @param {import("./steps.mjs").Step} step
 */
export async function offers(packages, step) {
  const known = () => packages.every((name) => /^ {2}Candidate: (?!\(none\))/m.test(ask("apt-cache", ["policy", name]) ?? ""));
  if (known()) return true;
  if (updated) return false;
  updated = true;
  step.say("bringing apt's package lists up to date");
  await apt(["update", "-q"], step);
  return known();
}

/**
 * Installs packages; nothing that is installed is ever removed for them.
 *
 * @param {string[]} packages
 * @param {import("./steps.mjs").Step} step
 */
export async function install(packages, step) {
  step.say(`installing ${packages.join(" ")} with apt-get`);
  const { code, output } = await apt(["install", "-y", "--no-remove", "--no-install-recommends", ...packages], step);
  if (code !== 0) throw new Plain(`apt-get could not install ${packages.join(" ")}:\n${tail(output)}`);
}

/**
 * @param {string[]} args
 * @param {import("./steps.mjs").Step} step
 */
function apt(args, step) {
  // Another apt may be at work: wait for it instead of failing.
  const command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", ...args];
  const prefix = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  const [program, ...rest] = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", ...command];
  return run(program, rest, {
    onLine: (line) => {
      if (/^(Get:|Unpacking|Setting up)/.test(line)) step.progress(line.slice(0, 70));
    },
  });
}
