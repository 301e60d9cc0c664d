// Finds what `npx flagwire migrate` changes in a package.json: the dependencies.

import { parseExpression } from "@babel/parser";
import { PACKAGES } from "./rewrite.mjs";

/* global VERSION: the build puts the package's version in its place. */

const SECTIONS = ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"];
const NAMED = /@harnessio\/ff-(?:javascript|react)-client-sdk(?![\w-])|\bff\.harness\.io\b/;

/** @typedef {any} Node a node of Babel's tree */

/**
 * @param {string} text
 * @param {ReadonlySet<string>} needed packages that scripts still import
 * @returns {import("./rewrite.mjs").Findings}
 */
export function manifest(text, needed) {
  /** @type {import("./rewrite.mjs").Findings} */
  const found = { edits: [], left: [] };
  /** @type {Node} */
  let tree;
  try {
    tree = parseExpression(text);
  } catch (error) {
    found.left.push({ at: 0, what: `this package.json cannot be read (${/** @type {Error} */ (error).message}); change it yourself` });
    return found;
  }
  for (const section of tree.properties ?? []) {
    if (SECTIONS.includes(section.key?.value) && section.value.properties) dependencies(section.value.properties, text, needed, found);
    else others(section, found);
  }
  return found;
}

/** @param {Node[]} properties @param {string} text @param {ReadonlySet<string>} needed @param {import("./rewrite.mjs").Findings} found */
function dependencies(properties, text, needed, { edits, left }) {
  const name = (/** @type {Node} */ property) => property.key.value;
  const hits = properties.filter((property) => Object.hasOwn(PACKAGES, name(property)));
  if (!hits.length) return;
  for (const kept of hits.filter((property) => needed.has(name(property)))) left.push({ at: kept.start, what: `${name(kept)} stays, because of what is left to you` });
  const removed = hits.filter((property) => !needed.has(name(property)));
  const has = properties.some((property) => name(property) === "flagwire");
  const own = `"flagwire": "^${VERSION}"`;
  const [first] = hits;
  if (!has && !removed.length) {
    // The new dependency gets its own line if each dependency has one.
    const space = /\s*$/.exec(text.slice(0, first.start))?.[0] ?? "";
    edits.push({ start: first.start, end: first.start, text: `${own},${space}`, what: own });
    return;
  }
  if (!has) {
    const [replaced] = removed.splice(0, 1);
    edits.push({ start: replaced.start, end: replaced.end, text: own, what: `${name(replaced)} → ${own}` });
  }
  // Adjacent entries are removed together, because each takes one comma with it.
  for (let index = 0; index < properties.length; index++) {
    const from = index;
    while (removed.includes(properties[index])) index++;
    if (index === from) continue;
    const [before, after] = [properties[from - 1], properties[index]];
    const [start, end] = after ? [properties[from].start, after.start] : [before?.end ?? properties[from].start, properties[index - 1].end];
    edits.push({ start, end, text: "", what: `${properties.slice(from, index).map(name).join(" and ")} removed` });
  }
}

/** Reports other places that may name a package, such as overrides and the configuration of Jest. @param {Node} node @param {import("./rewrite.mjs").Findings} found */
function others(node, { left }) {
  if (node?.type === "StringLiteral" && NAMED.test(node.value)) left.push({ at: node.start, what: `${NAMED.exec(node.value)?.[0]} is named here` });
  for (const child of [node?.key, node?.value, ...(node?.properties ?? []), ...(node?.elements ?? [])]) if (child?.type) others(child, { edits: [], left });
}
