// `npm run release -- --dry-run`: makes and checks everything that a release publishes, and says what to publish in which order. It
// publishes nothing itself. RELEASING.md says how it is used.
//
// `--version 0.2.0` sets the version everywhere first; with `--dry-run` the files stay as they are.
// `--server PATH` packs this program, and builds none.
// `--only server` makes the package of this machine's platform alone, as each platform's machine does.

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { notices } from "./lib/notices.mjs";
import { npm, npmInstall } from "./lib/npm.mjs";
import { root } from "./lib/paths.mjs";
import { buildServer, packageDir } from "./lib/products.mjs";
import { Plain, run, tail, which } from "./lib/run.mjs";
import { packageName, platform, PLATFORMS, writeLauncher, writePlatformPackage } from "./lib/server-packages.mjs";
import { script, Steps } from "./lib/steps.mjs";
import { setVersion, version as current } from "./lib/version.mjs";

/** Everything that is published lies here in the end. */
const out = join(root, "target", "release-packages");
/** The most that the client's package may take, packed. */
const LARGEST_BYTES = 700_000;
/** In the order of their dependencies. */
const CRATES = ["flagwire-core", "flagwire-evaluation", "flagwire-flags-file", "flagwire-server", "flagwire"];

const args = process.argv.slice(2);
const dryRun = args.includes("--dry-run");

await script(async () => {
  const wanted = argument("--version");
  const server = argument("--server");
  const serverOnly = argument("--only") === "server";
  if (wanted && dryRun) console.log(`Cargo.toml, Cargo.lock and CHANGELOG.md would say ${wanted}; the rehearsal goes on with ${current()}.`);
  else if (wanted) setVersion(wanted);
  const version = current();
  mkdirSync(out, { recursive: true });

  const steps = new Steps(serverOnly ? 2 : 7);
  const binary = await steps.run("server", (step) => (server ? Promise.resolve(server) : buildServer(step)));
  await steps.run("server's packages", async (step) => {
    const folder = join(out, "folders");
    writePlatformPackage(join(folder, platform), { version, binary, notices: notices("flagwire-server") });
    await pack(join(folder, platform), step);
    if (serverOnly) return;
    writeLauncher(join(folder, "flagwire-server"), version);
    await pack(join(folder, "flagwire-server"), step);
    rmSync(folder, { recursive: true });
  });
  if (serverOnly) return;
  const tarball = await steps.run("client's package", async (step) => {
    await node("scripts/build.mjs");
    const path = await pack(packageDir, step);
    const { size } = statSync(path);
    if (size > LARGEST_BYTES) throw new Plain(`${basename(path)} has ${size} bytes; it may have ${LARGEST_BYTES}.`);
    step.done(`${Math.round(size / 1000)} kB`);
    return path;
  });
  await steps.run("publint and attw", async () => {
    const tools = join(root, "tests", "packaging", "node_modules");
    await npmInstall(join(root, "tests", "packaging"));
    await node(join(tools, "publint", "src", "cli.js"), packageDir, "--strict");
    await node(join(tools, "@arethetypeswrong", "cli", "dist", "index.js"), tarball, "--exclude-entrypoints", "flagwire.wasm", "--profile", "strict");
  });
  await steps.run("licences and bans", async (step) => {
    if (!which("cargo-deny")) return step.done("NOT CHECKED: cargo-deny is not installed; `cargo install --locked cargo-deny` does it");
    await check("cargo", ["deny", "--workspace", "check", "bans", "licenses", "sources"]);
  });
  await steps.run("crates", async (step) => {
    const crates = CRATES.filter(isMember);
    await check("cargo", ["package", "--no-verify", "--allow-dirty", "--quiet", ...crates.flatMap((name) => ["-p", name])]);
    step.done(crates.join(", "));
  });
  await steps.run("image", async (step) => {
    const program = ["podman", "docker"].find((name) => which(name));
    const command = ["build", "-f", "Containerfile", "-t", `flagwire-server:${version}`, "."];
    if (dryRun || !program) return step.done(`NOT BUILT: ${program ?? "podman"} ${command.join(" ")}`);
    await check(program, command);
  });
  instructions(version);
});

/** @param {string} name @returns {string | undefined} */
function argument(name) {
  const at = args.indexOf(name);
  if (at < 0) return undefined;
  if (!args[at + 1]) throw new Plain(`${name} needs a value.`);
  return args[at + 1];
}

/** Packs a folder into the folder of results. @param {string} folder @param {import("./lib/steps.mjs").Step} step */
async function pack(folder, step) {
  const before = join(out, "packing");
  rmSync(before, { recursive: true, force: true });
  mkdirSync(before);
  await npm(["pack", "--pack-destination", before], folder, step);
  const [file = ""] = readdirSync(before);
  copyFileSync(join(before, file), join(out, file));
  rmSync(before, { recursive: true });
  step.done(file);
  return join(out, file);
}

/** @param {string} name of a crate */
function isMember(name) {
  const folders = [".", ...readdirSync(join(root, "crates")).map((folder) => join("crates", folder))];
  return folders.some((folder) => {
    const manifest = join(root, folder, "Cargo.toml");
    return existsSync(manifest) && new RegExp(`^name = "${name}"$`, "m").test(readFileSync(manifest, "utf8"));
  });
}

/** @param {...string} command */
async function node(...command) {
  await check(process.execPath, command);
}

/** @param {string} program @param {string[]} command */
async function check(program, command) {
  const { code, output } = await run(program, command, { cwd: root });
  if (code !== 0) throw new Plain(`${[basename(program), ...command].join(" ")} failed:\n${tail(output, 60)}`);
}

/** @param {string} version */
function instructions(version) {
  const file = (/** @type {string} */ name) => `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
  const names = PLATFORMS.map(packageName);
  const missing = names.filter((name) => !existsSync(join(out, file(name))));
  console.log(`\n${dryRun ? "A rehearsal: nothing was published and no version set. " : ""}Everything is in ${out}.\n`);
  if (missing.length > 0) console.log(`Still missing, each from \`npm run release -- --only server\` on a machine of its platform:\n${missing.map((name) => `  ${file(name)}`).join("\n")}\n`);
  const lines = [
    "Before the first release, reserve every name (RELEASING.md).",
    `git commit -am "Release ${version}" && git tag v${version} && git push origin main v${version}`,
    ...CRATES.filter(isMember).map((name) => `cargo publish -p ${name}`),
    // A package is published after those that it needs, so that no install in between finds half of it.
    ...names.map((name) => `npm publish --access public ${file(name)}`),
    `npm publish ${file("flagwire-server")}`,
    `npm publish ${file("flagwire")}`,
    `podman push flagwire-server:${version} ghcr.io/flagwire/flagwire-server:${version}`,
    "A release on GitHub of the tag, with its part of CHANGELOG.md.",
  ];
  console.log(`In this order:\n${lines.map((line, index) => `${String(index + 1).padStart(3)}. ${line}`).join("\n")}`);
}
