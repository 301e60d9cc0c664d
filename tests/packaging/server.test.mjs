// The server as npm packages: packed with the program that the suites run, installed as users do, and started by npx.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, after, test } from "node:test";
import { npm } from "../../scripts/lib/npm.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { packageName, platform, PLATFORMS, writeLauncher, writePlatformPackage } from "../../scripts/lib/server-packages.mjs";
import { startService } from "../../scripts/lib/services.mjs";
import { quietStep } from "../../scripts/lib/steps.mjs";
import { version } from "../../scripts/lib/version.mjs";
import { atEnd, tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, serverBinary } from "../lib/server.mjs";

const folder = tempDir({ after });
const project = join(folder, "project");
const step = quietStep("the server's packages");
const npx = process.platform === "win32" ? "npx.cmd" : "npx";

before(async () => {
  writeLauncher(join(folder, "flagwire-server"), version());
  writePlatformPackage(join(folder, platform), { version: version(), binary: serverBinary(), notices: "Licences.\n" });
  const tarballs = join(folder, "tarballs");
  mkdirSync(tarballs);
  for (const one of ["flagwire-server", platform]) await npm(["pack", "--pack-destination", tarballs], join(folder, one), step);
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "private": true }');
  // Offline, so that what is installed is what was packed; the packages of other platforms are optional.
  await npm(["install", "--offline", ...readdirSync(tarballs).map((file) => join(tarballs, file))], project, step);
});

test("npx runs the program of this machine's platform", async () => {
  const { code, output } = await run(npx, ["--no", "flagwire-server", "--", "--version"], { cwd: project });
  assert.equal(code, 0, output);
  assert.equal(output.trim(), `flagwire-server ${version()}`);
  const { code: wrong, output: said } = await run(npx, ["--no", "flagwire-server", "--", "--no-such-option"], { cwd: project });
  assert.notEqual(wrong, 0);
  assert.match(said, /--no-such-option/);
});

test("the program that the package starts serves a flag, and ends with the starter", async (t) => {
  const flags = join(folder, "flags.yaml");
  writeFileSync(flags, "flags:\n  theme: classic\n");
  const starter = join(project, "node_modules", "flagwire-server", "flagwire-server.mjs");
  const args = [starter, "--flags", flags, "--listen", "127.0.0.1:0", "--drain-seconds", "0", "--log-format", "json"];
  const service = await startService("flagwire-server", process.execPath, args, { ready: /listening on http/ });
  atEnd(t, () => service.stop());
  const url = /https?:\/\/[\w.:[\]-]+/.exec(service.readyLine)?.[0] ?? "";
  const signedIn = await fetch(`${url}/client/auth`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ apiKey: CLIENT_KEY, target: { identifier: "user-42" } }) });
  const { authToken } = /** @type {{ authToken: string }} */ (await signedIn.json());
  const { environment } = JSON.parse(Buffer.from(authToken.split(".")[1] ?? "", "base64url").toString());
  const reply = await fetch(`${url}/client/env/${environment}/target/user-42/evaluations/theme`, { headers: { Authorization: `Bearer ${authToken}` } });
  assert.equal(/** @type {{ value: string }} */ (await reply.json()).value, "classic");
  await service.stop();
  await assert.rejects(fetch(`${url}/live`));
});

test("where the platform's package is missing, the starter says how to get it", async () => {
  const manifest = join(project, "node_modules", "flagwire-server", "package.json");
  const starter = join(project, "node_modules", "flagwire-server", "flagwire-server.mjs");
  rmSync(join(project, "node_modules", packageName(platform)), { recursive: true });
  const { code, output } = await run(process.execPath, [starter, "--version"]);
  assert.equal(code, 1);
  assert.match(output, new RegExp(`^The package ${packageName(platform)}, which holds flagwire-server for this system, is not installed\\. Install flagwire-server again without --omit=optional`));
  const { optionalDependencies, ...rest } = JSON.parse(readFileSync(manifest, "utf8"));
  assert.deepEqual(optionalDependencies, Object.fromEntries(PLATFORMS.map((one) => [packageName(one), version()])));
  writeFileSync(manifest, JSON.stringify({ ...rest, optionalDependencies: { "@flagwire/server-plan9-mips": version() } }));
  const other = await run(process.execPath, [starter, "--version"]);
  assert.equal(other.code, 1);
  assert.equal(other.output, `flagwire-server is not published for ${platform}, only for plan9-mips. With Rust installed, \`cargo install flagwire-server\` builds it.\n`);
});

test("nothing runs at install, and the packages hold what they need alone", () => {
  const held = (/** @type {string} */ name) => readdirSync(join(folder, name)).sort();
  assert.deepEqual(held("flagwire-server"), ["LICENSE", "README.md", "flagwire-server.mjs", "package.json"]);
  assert.deepEqual(held(platform), ["LICENSE", "LICENSE-third-party", "README.md", "flagwire-server", "package.json"]);
  for (const name of ["flagwire-server", platform]) {
    const manifest = JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8"));
    assert.equal(manifest.scripts, undefined);
    assert.equal(manifest.version, version());
  }
  const { os, cpu } = JSON.parse(readFileSync(join(folder, platform, "package.json"), "utf8"));
  assert.deepEqual([os, cpu], [[process.platform], [process.arch]]);
});
