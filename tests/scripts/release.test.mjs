// What a release does that no rehearsal shows: the version it sets, and what an image and the workflows refer to.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { root } from "../../scripts/lib/paths.mjs";
import { ask } from "../../scripts/lib/run.mjs";
import { PLATFORMS } from "../../scripts/lib/server-packages.mjs";
import { version, withVersion } from "../../scripts/lib/version.mjs";

const read = (/** @type {string} */ path) => readFileSync(join(root, path), "utf8");

test("a release sets the version of every crate, of what they ask of each other, and of the changelog", () => {
  const files = { manifest: read("Cargo.toml"), lock: read("Cargo.lock"), changelog: `# Changelog\n\n## ${version()}, not released yet\n` };
  const next = withVersion("9.8.7", files, "2030-01-02");
  assert.equal(next.changelog, "# Changelog\n\n## 9.8.7, 2030-01-02\n");
  assert.match(next.manifest, /^\[workspace\.package\]\nversion = "9\.8\.7"$/m);
  const asked = [...next.manifest.matchAll(/^flagwire[\w-]* = \{ path = "[^"]+", version = "([^"]+)"/gm)].map(([, of]) => of);
  assert.ok(asked.length >= 2);
  assert.ok(asked.every((of) => of === "9.8.7"), asked.join());
  // The lock file holds our own crates, which have no source, and those of others.
  const own = (/** @type {string} */ lock) => [...lock.matchAll(/^name = "([^"]+)"\nversion = "([^"]+)"\n(?!source)/gm)].map(([, name, of]) => `${name} ${of}`);
  const wanted = own(files.lock).map((one) => one.replace(` ${version()}`, " 9.8.7"));
  assert.deepEqual(own(next.lock), wanted);
  assert.ok(wanted.some((one) => one === "flagwire-core 9.8.7"));
  const others = (/** @type {string} */ lock) => lock.split("\n\n").filter((one) => one.includes("\nsource = "));
  assert.deepEqual(others(next.lock), others(files.lock));
  assert.throws(() => withVersion("next", files, ""), /next is no version/);
});

test("what the image is built from is there and is not kept out", () => {
  const lines = readFileSync(join(root, "Containerfile"), "utf8").replace(/\\\n/g, " ").split("\n");
  const ignored = readFileSync(join(root, ".containerignore"), "utf8").trim().split("\n");
  const built = lines.filter((line) => line.startsWith("RUN ")).join(" ");
  let copies = 0;
  for (const [, stage, from = "", to = ""] of lines.flatMap((line) => [.../^COPY(?: --from=(\w+))?(?: --\S+)* (\S+) (\S+)$/gm[Symbol.matchAll](line)])) {
    copies += 1;
    // Of another stage: what a command there has made. Else a path of this repository, all of it here.
    if (stage) assert.ok(built.includes(from.split("/").slice(0, -1).join("/")), `${from} is made by no RUN`);
    else assert.equal(from, ".");
    assert.ok(to.startsWith("/") || to === ".", to);
  }
  assert.equal(copies, 3);
  assert.match(built, /cargo build --release --locked -p flagwire-server/);
  // Cargo reads the manifest of each member, and looks for each target that a manifest gives a path.
  const manifest = readFileSync(join(root, "Cargo.toml"), "utf8");
  const members = [...(/^members = \[([^\]]*)\]/m.exec(manifest)?.[1] ?? "").matchAll(/"([^"]+)"/g)].map(([, path]) => path ?? "");
  const needed = ["Cargo.lock", ...members.map((path) => join(path, "Cargo.toml")), ...[...manifest.matchAll(/^path = "([^"]+)"/gm)].map(([, path]) => path ?? "")];
  assert.ok(needed.length > 5);
  for (const path of needed) {
    assert.ok(readFileSync(join(root, path)).length > 0, path);
    assert.ok(!ignored.some((one) => path === one || path.startsWith(`${one}/`)), `${path} is in .containerignore`);
  }
});

test("the workflow runs what CI runs, on this version of Node", () => {
  const { on, jobs } = parse(read(".github/workflows/ci.yml"));
  assert.deepEqual(Object.keys(on).sort(), ["pull_request", "push"]);
  /** @type {{ steps: { run?: string, with?: Record<string, string> }[] }[]} */
  const all = Object.values(jobs);
  const steps = all.flatMap((job) => job.steps);
  assert.ok(steps.some((step) => step.run === ".ci/run"));
  const { engines } = JSON.parse(read("package.json"));
  assert.ok(steps.some((step) => step.with?.["node-version"] === engines.node.replace(">=", "")));
});

test("the workflow of releases makes the server's package on a machine of each platform", () => {
  const { jobs } = parse(read(".github/workflows/release.yml"));
  /** @type {{ platform: string, runner: string }[]} */
  const machines = jobs.server.strategy.matrix.include;
  assert.deepEqual(machines.map((one) => one.platform).sort(), PLATFORMS);
});

test("the toolchain's file names a channel alone, so that rustup fetches nothing that is not asked for", () => {
  const lines = read("rust-toolchain.toml").split("\n").filter((line) => line && !line.startsWith("#"));
  assert.deepEqual(lines, ["[toolchain]", 'channel = "stable"']);
});

test("forms for issues say what to fill in", () => {
  const folder = join(root, ".github", "ISSUE_TEMPLATE");
  const forms = readdirSync(folder).filter((file) => file !== "config.yml");
  assert.ok(forms.length >= 2);
  for (const file of forms) {
    const { name, description, body } = parse(read(join(".github", "ISSUE_TEMPLATE", file)));
    assert.ok(name && description, file);
    assert.ok(body.every((/** @type {{ type: string, id?: string }} */ one) => one.type === "markdown" || one.id), file);
  }
  assert.ok(existsSync(join(root, "SECURITY.md")));
});

test("the rehearsal of a release refuses what it does not understand before it builds anything", () => {
  assert.equal(ask(process.execPath, [join(root, "scripts", "release.mjs"), "--dry-run", "--version"]), undefined);
});
