// `npx flagwire migrate`: moves a source tree from Harness's SDKs to this package.

import { realpathSync, statSync } from "node:fs";
import { dirname, relative, sep } from "node:path";
import { parseArgs } from "node:util";
import { historyOf } from "./git.mjs";
import { manifest } from "./manifest.mjs";
import { Mistake, messageOf } from "./mistake.mjs";
import { OF_INTEREST, PACKAGES, rewrite } from "./rewrite.mjs";
import { filesBelow, looksBuilt, replace, textOf } from "./source-tree.mjs";

/** @typedef {import("./rewrite.mjs").Findings} Findings */
/** @typedef {{ path: string, text: string, findings: Findings }} File */

const USAGE = `npx flagwire migrate [--dry-run] [--force] [--base-url <URL>] DIR

Rewrites what is imported from @harnessio/ff-javascript-client-sdk and @harnessio/ff-react-client-sdk in the scripts below DIR, and
what package.json depends on. Prints each change, and each place that is left to you.

  --dry-run   changes nothing, and prints what would be changed
  --base-url  the address of your server: takes the place of Harness's, and is added where a client has none
  --force     changes files that Git does not have as they are, too
`;

const SCRIPT = /\.(?:(d\.)?([mc]?[jt]s)|[jt]sx)$/;
const COMPONENT = /\.(?:vue|svelte)$/;
/** Files that may name the SDK or its server but are not rewritten: their lines are printed. */
const OTHER = /\.(?:html?|astro|mdx|json|jsonc|json5|ya?ml|toml|conf)$|(?:^|[\\/])\.env[\w.-]*$/;
/** The lock files of package managers. */
const LOCK = /(?:^|[\\/])(?:package-lock|npm-shrinkwrap|pnpm-lock|bun|\.pnp(?:\.loader|\.data)?)\.\w+$/;
/** Matches a comment, or a script with its attributes. */
const BLOCK = /<!--[^]*?-->|(<script\b((?:"[^"]*"|'[^']*'|[^'">])*)>)([^]*?)<\/script\s*>/gi;

/** @param {string[]} args */
export function migrates(args) {
  const { values, positionals } = parsed(args);
  if (values.help) return void process.stdout.write(USAGE);
  const [given, ...more] = positionals;
  if (given === undefined || more.length) throw new Mistake(`Give one folder: the one that your package.json is in.\n\n${USAGE}`);
  const baseUrl = addressOf(values["base-url"]);
  const root = folderOf(given);
  const { files, skipped } = findings(root, baseUrl);
  const shown = (/** @type {string} */ path) => (relative(root, path) || path).replaceAll(sep, "/");

  const changed = files.filter(({ findings: { edits } }) => edits.length);
  const dirty = values["dry-run"] || values.force ? [] : changed.flatMap(({ path }) => historyOf(path).missing(path) ?? []);
  if (dirty.length) {
    throw new Mistake(
      `Nothing was changed: Git does not have these files as they are, so there would be no way back.\n${dirty.map(({ path, why }) => `  ${shown(path)} (${why})\n`).join("")}Commit them first, or give --force.`,
    );
  }
  if (!values["dry-run"]) rewriteFiles(changed, shown);

  for (const { path, text, findings: { edits, left } } of files) {
    const lines = [...edits.map(({ start, what }) => ({ at: start, what })), ...left.map(({ at, what }) => ({ at, what: `left to you: ${what}` }))];
    for (const { at, what } of lines.sort((one, other) => one.at - other.at)) console.log(`${shown(path)}:${lineOf(text, at)}: ${what}`);
  }
  for (const { path, why } of skipped) console.log(`${shown(path)}: left as it is: ${why}`);
  const edits = changed.reduce((sum, { findings: { edits } }) => sum + edits.length, 0);
  const left = files.reduce((sum, { findings: { left } }) => sum + left.length, 0);
  console.log(`${edits} ${edits === 1 ? "change" : "changes"} in ${changed.length} ${changed.length === 1 ? "file" : "files"}${values["dry-run"] ? " would be made" : ""}; ${left} left to you`);
  if (edits && !values["dry-run"]) console.log("Next: install with your package manager, so that its lock file follows, and run your tests.");
  if (edits && !files.some(({ path, findings }) => isManifest(path) && findings.edits.length)) console.log("No package.json below this folder names the SDK: add flagwire where yours is.");
}

/** @param {readonly File[]} files @param {(path: string) => string} shown */
function rewriteFiles(files, shown) {
  for (const [index, { path, text, findings: { edits } }] of files.entries()) {
    try {
      replace(path, text, applied(text, edits));
    } catch (error) {
      const before = files.slice(0, index).map((file) => ` ${shown(file.path)}`);
      throw new Mistake(`${shown(path)} could not be written (${messageOf(error)}). ${before.length > 0 ? `Changed before it:${before.join(",")}. ` : "Nothing was changed. "}Run the command again with --force once that is mended.`);
    }
  }
}

/** @param {string[]} args */
function parsed(args) {
  const yes = /** @type {const} */ ({ type: "boolean" });
  try {
    return parseArgs({ args, allowPositionals: true, options: { "dry-run": yes, force: yes, "base-url": { type: "string" }, help: { ...yes, short: "h" } } });
  } catch (error) {
    throw new Mistake(`${messageOf(error)}\n\n${USAGE}`);
  }
}

/** @param {string | undefined} given */
function addressOf(given) {
  // A path is relative to the page's own origin.
  if (given === undefined || /^\/(?!\/)\S*$/.test(given)) return given;
  if (!/^https?:\/\/[^\s/]+/.test(given) || !URL.canParse(given)) throw new Mistake(`--base-url must be an address such as https://flags.example.com, or a path such as /flags; it is ${JSON.stringify(given)}`);
  return given;
}

/** @param {string} given */
function folderOf(given) {
  try {
    const root = realpathSync(given);
    if (statSync(root).isDirectory()) return root;
  } catch {
    // The error is reported below.
  }
  throw new Mistake(`There is no folder ${given}.`);
}

/**
 * Collects the findings in all files below a folder.
 *
 * @param {string} root
 * @param {string | undefined} baseUrl
 */
function findings(root, baseUrl) {
  const manifests = /** @type {{ path: string, text: string }[]} */ ([]);
  const files = /** @type {File[]} */ ([]);
  const skipped = /** @type {{ path: string, why: string }[]} */ ([]);
  for (const path of filesBelow(root)) {
    if (!(SCRIPT.test(path) || COMPONENT.test(path) || OTHER.test(path)) || LOCK.test(path)) continue;
    const read = textOf(path);
    if (read === undefined || !OF_INTEREST.test(read.text) || historyOf(path).ignores(path)) continue;
    const { text, valid } = read;
    if (!valid) skipped.push({ path, why: "it is not UTF-8; change it yourself" });
    else if (looksBuilt(path, text)) skipped.push({ path, why: "it looks minified; build it again" });
    else if (isManifest(path)) manifests.push({ path, text });
    else files.push({ path, text, findings: findingsIn(path, text, baseUrl) });
  }
  for (const { path, text } of manifests) {
    const below = files.filter((file) => file.path.startsWith(dirname(path) + sep));
    const needed = new Set(below.flatMap(({ findings: { left } }) => left.flatMap(({ keeps }) => keeps ?? [])));
    files.push({ path, text, findings: manifest(text, needed) });
  }
  const any = ({ findings: { edits, left } }) => edits.length || left.length;
  return { files: files.filter(any).sort((one, other) => (one.path < other.path ? -1 : 1)), skipped };
}

/** @param {string} path @param {string} text @param {string | undefined} baseUrl @returns {Findings} */
function findingsIn(path, text, baseUrl) {
  const options = { baseUrl, eol: text.includes("\r\n") ? "\r\n" : "\n" };
  const [, dts, script] = SCRIPT.exec(path) ?? [];
  if (script || SCRIPT.test(path)) return rewrite(text, (dts ?? "") + (script ?? path.slice(-3)), options);
  if (COMPONENT.test(path)) return findingsInBlocks(text, options);
  return mentions(text, 0);
}

/** Returns the findings in the scripts of a Vue or Svelte component. @param {string} text @param {{ baseUrl: string | undefined, eol: string }} options @returns {Findings} */
function findingsInBlocks(text, options) {
  /** @type {Findings} */
  const all = { edits: [], left: [] };
  let rest = text;
  for (const { 0: whole, 1: tag, 2: attributes = "", 3: script = "", index } of text.matchAll(BLOCK)) {
    rest = rest.slice(0, index) + " ".repeat(whole.length) + rest.slice(index + whole.length);
    if (tag === undefined) continue;
    const start = index + tag.length;
    const { edits, left } = rewrite(script, /\blang\s*=\s*["']?(\w+)/.exec(attributes)?.[1] ?? "js", options);
    all.edits.push(...edits.map((edit) => ({ ...edit, start: edit.start + start, end: edit.end + start })));
    all.left.push(...left.map((one) => ({ ...one, at: one.at + start })));
  }
  all.left.push(...mentions(rest, 0).left);
  return all;
}

/** Returns the places where a text that is not a script names the SDKs or their server. @param {string} text @param {number} from @returns {Findings} */
function mentions(text, from) {
  const names = Object.keys(PACKAGES).map((name) => name.replace(/\W/g, "\\$&")).join("|");
  const found = text.matchAll(new RegExp(`(?:${names})(?![\\w-])|\\bff\\.harness\\.io\\b`, "g"));
  return { edits: [], left: [...found].map(({ 0: name, index }) => ({ at: index + from, what: `${name} is named here` })) };
}

/** @param {string} path */
const isManifest = (path) => path.endsWith(`${sep}package.json`);

/** @param {string} text @param {import("./rewrite.mjs").Edit[]} edits */
function applied(text, edits) {
  for (const { start, end, text: by } of edits.toSorted((one, other) => other.start - one.start)) text = text.slice(0, start) + by + text.slice(end);
  return text;
}

/** @param {string} text @param {number} at */
function lineOf(text, at) {
  return text.slice(0, at).split(/\r\n|[\n\r\u2028\u2029]/).length;
}
