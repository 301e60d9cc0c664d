// The reference of the client, docs/reference/client.md: its options, states, reasons and events, made of the package's types.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../project.mjs";

/** @param {string} file of the built package */
const types = (file) => readFileSync(join(root, "pkg", file), "utf8");

/** @typedef {{ name: string, type?: string, meaning: string, standard?: string }} Entry */

/** The sentences of a doc comment, and its default. @param {string} comment */
function read(comment) {
  const text = comment.replaceAll(/^\s*\/?\*+\/?|\*\/\s*$/gm, " ").replaceAll(/\s+/g, " ").trim();
  const [meaning = "", standard] = text.split(/ ?@default /);
  return { meaning: meaning.replaceAll(/\{@link (\w+)\}/g, "`$1`"), ...(standard && { standard }) };
}

/** @param {string} text @param {string} name of an interface @returns {Entry[]} */
function properties(text, name) {
  const body = new RegExp(`export interface ${name}(?:<[^>]*>)? \\{\\n([^]*?)\\n\\}`).exec(text)?.[1] ?? "";
  return [...body.matchAll(/\/\*\*([^]*?)\*\/\n {4}(?:readonly )?(\w+)\??: ([^;]*|\([^)]*\)[^;]*);/g)].map(([, comment = "", key = "", type = ""]) => ({ name: key, type, ...read(comment) }));
}

/** @param {string} text @param {string} name of a union of texts @returns {Entry[]} */
function members(text, name) {
  const body = new RegExp(`export type ${name} = ([^;]*(?:;[^;\\n]*\\*\\/[^;]*)*);`).exec(text)?.[1] ?? "";
  return [...body.matchAll(/\/\*\*([^]*?)\*\/\s*\|? ?"([^"]+)"/g)].map(([, comment = "", key = ""]) => ({ name: key, ...read(comment) }));
}

/** @param {string} text @returns {Entry[]} */
function events(text) {
  const body = /export declare const Event: \{\n([^]*?)\n\};/.exec(text)?.[1] ?? "";
  return [...body.matchAll(/\/\*\*([^]*?)\*\/\n\s*readonly (\w+): "([^"]+)"/g)].map(([, comment = "", key = "", name = ""]) => ({ name, type: `Event.${key}`, ...read(comment) }));
}

/** What there is, by its part of the page. */
export function clientEntries() {
  const [all, ofEvents] = [types("types.d.ts"), types("events.d.ts")];
  return {
    options: properties(all, "Options"),
    cache: properties(all, "CacheOptions"),
    target: properties(all, "Target"),
    statuses: members(all, "Status"),
    reasons: members(all, "Reason"),
    reads: members(all, "VariationReason"),
    events: events(ofEvents),
  };
}

/** @param {string[]} heads @param {string[][]} rows */
function table(heads, rows) {
  return [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`).join("\n");
}

/** @param {Entry[]} entries */
const options = (entries) => table(["option", "type", "default", "meaning"], entries.map(({ name, type = "", standard = "", meaning }) => [`\`${name}\``, `\`${type}\``, standard, meaning]));
/** @param {string} head @param {Entry[]} entries */
const values = (head, entries) => table([head, "meaning"], entries.map(({ name, meaning }) => [`\`${name}\``, meaning]));

/** The whole page. */
export function clientPage() {
  const { options: all, cache, target, statuses, reasons, reads, events: named } = clientEntries();
  return `# Options, states and events of the client

<!-- Made of the package's types by a test: \`UPDATE_DOCS=1 npm test -- site\`. -->

\`\`\`ts
import { initialize } from "flagwire";

export const client = initialize("flagwire-dev-client-key", { identifier: "user-42" }, { baseUrl: "http://127.0.0.1:7700", cache: true });
\`\`\`

## The target

The second argument: who flags are evaluated for. Only \`identifier\` is required.

${options(target)}

## Options

The third argument. All are optional.

${options(all)}

### Options of the cache

For \`cache: { … }\`.

${options(cache)}

## Status

\`client.state().status\`, and the event \`state\`. [A picture](../pictures.md#the-states-of-a-client).

${values("status", statuses)}

## Reasons of a status

\`client.state().reason\` is there if something is wrong. [What to do](../guides/troubleshooting.md).

${values("reason", reasons)}

## Reasons of a value

\`client.variationDetail(flag, default).reason\`.

${values("reason", reads)}

## Events

\`client.on(Event.STATE, listener)\`, or \`client.on("state", listener)\`. [What each listener gets](../../pkg-template/src/events.ts).

${table(["event", "name", "when"], named.map(({ name, type = "", meaning }) => [`\`${name}\``, `\`${type}\``, meaning]))}
`;
}
