// The licences of the crates that a program is made of, for those who get the program.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./paths.mjs";
import { ask, Plain } from "./run.mjs";

/**
 * @typedef {{ id: string, name: string, version: string, license: string | null, source: string | null, manifest_path: string }} Package
 * @typedef {{ id: string, deps: { pkg: string, dep_kinds: { kind: string | null }[] }[] }} Resolved
 */

/**
 * Lists each crate of others that a crate of the workspace is built from, with its licence and the notices beside its sources.
 *
 * @param {string} name of the crate
 * @returns {string}
 */
export function notices(name) {
  const host = /^host: (.*)$/m.exec(ask("rustc", ["-vV"], { cwd: root }) ?? "")?.[1] ?? "";
  const text = ask("cargo", ["metadata", "--format-version", "1", "--locked", "--filter-platform", host], { cwd: root, maxBuffer: 1 << 28 });
  if (!text) throw new Plain("`cargo metadata --locked` fails: run it to see why.");
  /** @type {{ packages: Package[], resolve: { nodes: Resolved[] } }} */
  const { packages, resolve } = JSON.parse(text);
  const byId = new Map(packages.map((one) => [one.id, one]));
  const edges = new Map(resolve.nodes.map(({ id, deps }) => [id, deps.filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kind === null)).map(({ pkg }) => pkg)]));
  const first = packages.find((one) => one.name === name && one.source === null);
  if (!first) throw new Plain(`The workspace has no crate ${name}.`);
  const reached = new Set([first.id]);
  for (const id of reached) for (const next of edges.get(id) ?? []) reached.add(next);
  const others = [...reached].flatMap((id) => byId.get(id) ?? []).filter(({ source }) => source !== null);
  // Most have the Apache License, word for word.
  /** @type {Map<string, string>} */
  const said = new Map();
  const parts = others.sort((a, b) => (a.name < b.name ? -1 : 1)).map((one) => {
    const texts = licences(dirname(one.manifest_path)).map(({ file, text }) => {
      const words = text.replace(/\s+/g, " ").trim();
      const earlier = said.get(words);
      said.set(words, earlier ?? `${file} of ${one.name}`);
      return earlier ? `${file}: the same as ${earlier}, above.` : `${file}:\n\n${text.trim()}`;
    });
    return [`${one.name} ${one.version}, ${one.license ?? "licensed as follows"}`, ...texts].join("\n\n");
  });
  return `This program contains the following crates.\n\n${parts.join(`\n\n${"-".repeat(78)}\n\n`)}\n`;
}

/** @param {string} folder of a crate @returns {{ file: string, text: string }[]} */
function licences(folder) {
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile() && /^(?:licen[cs]e|copying|notice|unlicense)[\w.-]*$/i.test(entry.name));
  return names.map(({ name }) => ({ file: name, text: readFileSync(join(folder, name), "utf8") }));
}
