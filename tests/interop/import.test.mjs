// What `flagwire-server import` carries over: the published server SDKs evaluate the old service's rules, the server evaluates the
// file that was written, and everybody gets the same.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { atEnd, tempDir } from "../lib/scope.mjs";
import { SERVER_KEY, serverBinary, startServer } from "../lib/server.mjs";
import { nodeClient } from "./node-sdk.mjs";
import { FLAGS, GROUPS, KNOWN_DIFFERENCES, TARGETS } from "./old-service/environment.mjs";
import { OLD_SERVER_KEY, startOldService } from "./old-service/stand-in.mjs";
import { javaClassPath, missing, python } from "./runtimes.mjs";

const run = promisify(execFile);

/** For a program that evaluates everything once, on a busy machine. */
const EVALUATION_MS = 180_000;

const ALL_FLAGS = [...FLAGS, ...Object.values(KNOWN_DIFFERENCES).map(({ flag }) => flag)];

/** By target and flag, the value as text; JSON without blanks. @typedef {Record<string, Record<string, string>>} Served */
/** By flag, the SDKs that are said to evaluate it otherwise. @typedef {Record<string, ("node" | "python" | "java")[]>} Named */

/** @param {string} kind @param {unknown} value */
function asText(kind, value) {
  if (kind === "json") return JSON.stringify(typeof value === "string" ? JSON.parse(value) : value);
  return kind === "int" ? String(Number(value)) : String(value);
}

/**
 * Imports, and serves what came of it.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @returns {Promise<{ old: string, served: Served, named: Named, server: import("../lib/server.mjs").TestServer, directory: string }>}
 */
async function carryOver(t) {
  const old = await startOldService(t, { flags: ALL_FLAGS, groups: GROUPS });
  const directory = tempDir(t);
  writeFileSync(join(directory, "server.key"), OLD_SERVER_KEY);
  const { stdout } = await run(serverBinary(), ["import", "--from", old, "--api-key-file", "server.key"], { cwd: directory, timeout: EVALUATION_MS });
  assert.match(stdout, new RegExp(`^production: ${ALL_FLAGS.length} flags × [\\d,]+ targets: 0 differences$`, "m"));
  const server = await startServer(t, { flags: readFileSync(join(directory, "flags.yaml"), "utf8") });
  return { old, served: await evaluations(server), named: await sdksNamed(directory), server, directory };
}

/**
 * The flags of the old service that `check --sdks` names, and the SDKs it says of them, by flag. The file has them in the full form: the
 * import leaves out what has no effect here, also where it has one in an SDK.
 *
 * @param {string} directory @returns {Promise<Named>}
 */
async function sdksNamed(directory) {
  writeFileSync(join(directory, "planted.json"), JSON.stringify({ flags: ALL_FLAGS, groups: GROUPS }));
  const { stdout } = await run(serverBinary(), ["check", "--sdks", "planted.json"], { cwd: directory, timeout: EVALUATION_MS });
  /** @type {Named} */
  const named = {};
  for (const [, flag, says] of stdout.matchAll(/^planted\.json:\d+:\d+: flag `([^`]+)` (.*)$/gm)) {
    const languages = /** @type {const} */ (["node", "python", "java"]).filter((language) => new RegExp(`\\b${language} \\d`, "i").test(says ?? ""));
    (named[/** @type {string} */ (flag)] ??= []).push(...languages);
  }
  return named;
}

/** @param {import("../lib/server.mjs").TestServer} server @returns {Promise<Served>} */
async function evaluations(server) {
  /** @type {Served} */
  const served = {};
  for (const target of TARGETS) {
    const reply = await fetch(`${server.url}/ofrep/v1/evaluate/flags`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": SERVER_KEY },
      body: JSON.stringify({ context: { targetingKey: target.identifier, name: target.name, ...target.attributes } }),
    });
    assert.equal(reply.status, 200);
    /** @type {{ flags: { key: string, value: unknown }[] }} */
    const { flags } = await reply.json();
    served[target.identifier] = Object.fromEntries(flags.map(({ key, value }) => [key, asText(typeof value === "object" ? "json" : typeof value, value)]));
  }
  return served;
}

/**
 * The same for all flags, but for those that the SDK is known to evaluate in its own way: these differ for somebody, or the list
 * is out of date. `check --sdks` names just these SDKs for just these flags.
 *
 * @param {Served} theirs @param {Served} ours @param {"node" | "python" | "java"} sdk @param {Named} named
 * @param {{ imported?: boolean }} [rules] whether the SDK had the rules of the imported file, not those of the old service
 */
function compare(theirs, ours, sdk, named, { imported = false } = {}) {
  const flags = FLAGS.map(({ feature }) => feature);
  for (const [target, values] of Object.entries(theirs)) {
    for (const flag of flags) assert.equal(values[flag], ours[target]?.[flag], `${flag} for ${target}`);
  }
  assert.equal(Object.keys(theirs).length, TARGETS.length);
  for (const [name, { flag: { feature }, sdks, leftOut = false }] of Object.entries(KNOWN_DIFFERENCES)) {
    const differs = Object.entries(theirs).some(([target, values]) => values[feature] !== ours[target]?.[feature]);
    assert.equal(differs, sdks.includes(sdk) && !(imported && leftOut), `${name} in ${sdk}`);
    assert.deepEqual(named[feature], sdks, `what check --sdks says of ${name}`);
  }
}

/**
 * Evaluates in a program of another language.
 *
 * @param {string} program @param {string[]} args @param {string} url @param {string} key @param {string} directory
 * @returns {Promise<Served>}
 */
async function inProgram(program, args, url, key, directory) {
  const cases = join(directory, "cases.json");
  writeFileSync(cases, JSON.stringify({ flags: ALL_FLAGS.map(({ feature, kind }) => ({ feature, kind })), targets: TARGETS }));
  const options = { cwd: import.meta.dirname, timeout: EVALUATION_MS, maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await run(program, [...args, url, key, cases], options);
  /** @type {Served} */
  const raw = JSON.parse(/** @type {string} */ (stdout.trim().split("\n").at(-1)));
  const kinds = new Map(ALL_FLAGS.map(({ feature, kind }) => [feature, kind]));
  const texts = (/** @type {Record<string, string>} */ values) => Object.fromEntries(Object.entries(values).map(([flag, value]) => [flag, asText(kinds.get(flag) ?? "string", kinds.get(flag) === "boolean" ? value.toLowerCase() : value)]));
  return Object.fromEntries(Object.entries(raw).map(([target, values]) => [target, texts(values)]));
}

test("the Node SDK on the old service's rules gets what the imported file serves", async (t) => {
  const { old, served, named, server } = await carryOver(t);
  const { client } = nodeClient(t, server, { url: old, key: OLD_SERVER_KEY, options: { enableStream: false, enableAnalytics: false } });
  atEnd(t, () => client.close());
  await client.waitForInitialization();
  /** @type {Served} */
  const theirs = {};
  for (const target of TARGETS) {
    /** @type {Record<string, string>} */
    const values = (theirs[target.identifier] = {});
    for (const { feature, kind } of ALL_FLAGS) {
      const value = await {
        boolean: () => client.boolVariation(feature, target, false),
        string: () => client.stringVariation(feature, target, "none"),
        int: () => client.numberVariation(feature, target, -1),
        json: () => client.jsonVariation(feature, target, {}),
      }[/** @type {"boolean" | "string" | "int" | "json"} */ (kind)]();
      values[feature] = asText(kind, value);
    }
  }
  compare(theirs, served, "node", named);
});

test("the Python SDK on the old service's rules gets what the imported file serves, and on the file's own", async (t) => {
  const lacks = await missing("python3", ["-c", "import venv"], "Python 3.9 or later with venv");
  if (lacks) return t.skip(lacks);
  const interpreter = await python();
  const { old, served, named, server, directory } = await carryOver(t);
  compare(await inProgram(interpreter, ["python/evaluate.py"], old, OLD_SERVER_KEY, directory), served, "python", named);
  compare(await inProgram(interpreter, ["python/evaluate.py"], server.url, SERVER_KEY, directory), served, "python", named, { imported: true });
});

test("the Java SDK on the old service's rules gets what the imported file serves", async (t) => {
  const lacks = (await missing("java", ["-version"], "a JDK of version 17 or later")) ?? (await missing("mvn", ["--version"], "Maven"));
  if (lacks) return t.skip(lacks);
  const classPath = await javaClassPath();
  const { old, served, named, directory } = await carryOver(t);
  compare(await inProgram("java", ["-cp", classPath, "java/Evaluate.java"], old, OLD_SERVER_KEY, directory), served, "java", named);
});
