// What a crate offers to others, listed from its sources: every item that is `pub` there. The lint `unreachable_pub` sees to it that
// each of them can be reached.
//
// It reads words and brackets, not Rust: what a macro makes is not listed, only that the macro is called.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const COMMENT_OR_TEXT = /\/\/[^\n]*|\/\*[^]*?\*\/|b?r(#*)"[^]*?"\1|b?"(?:\\[^]|[^"\\])*"|b?'(?:\\[^\n]{1,8}?|[^'\\\n])'/g;
/** A macro of the workspace that declares the item in its braces as it is written there. */
const DECLARING = /^numbered! \{\n([^]*?)^\}$/gm;
/** Attributes that those who use an item notice. */
const KEPT = /^#\[(?:non_exhaustive|deprecated|derive|must_use|macro_export|cfg\(.*feature)/;
const ITEM = /^(?:#\[[^]*?\]\s*)*(?:pub\s+|default\s+)?(?:unsafe\s+|async\s+|const\s+(?=fn|unsafe|async)|extern\s+"[^"]*"\s+)*(?<kind>mod|fn|struct|enum|union|trait|impl|const|static|type|use|macro_rules!|extern crate)\b/;

/**
 * @param {string} root a crate's first source file
 * @returns {string[]} one line for each item, below a line for each module that has any
 */
export function publicItems(root) {
  /** @type {string[]} */
  const lines = [];
  read(root, "crate", dirname(root), lines);
  const names = new Set(lines.flatMap((line) => [...line.matchAll(/\bpub (?:unsafe )?(?:struct|enum|union|trait|type) (\w+)/g)].map(([, name]) => name)));
  // What is implemented for a type of the crate's own is nobody else's. A type without a crate's path may be a parameter.
  return lines.filter((line) => {
    const [, target = ""] = /^  impl\b.* for (?:&(?:'\w+ )?(?:mut )?)?(\w+)(?:<|$| )/.exec(line) ?? [];
    return target === "" || /^(?:[A-Z]|[a-z]\w*|String|Vec|Option|Box|Rc|Arc)$/.test(target) || names.has(target);
  });
}

/** @param {string} path @param {string} name @param {string} folder where modules of this one lie @param {string[]} lines */
function read(path, name, folder, lines) {
  // Texts keep their quotes alone, so that brackets in them count for nothing; those of attributes are kept.
  const source = readFileSync(path, "utf8").replace(COMMENT_OR_TEXT, (found) => (found.startsWith("/") ? " " : /^"[\w.-]*"$/.test(found) ? found : '""'));
  walk(source.replace(DECLARING, "$1"), name, folder, lines);
}

/** @param {string} source @param {string} name @param {string} folder @param {string[]} lines */
function walk(source, name, folder, lines) {
  /** @type {string[]} */
  const own = [];
  /** @type {(() => void)[]} */
  const inner = [];
  for (const { head, body } of statements(source)) {
    const { kind } = ITEM.exec(head)?.groups ?? {};
    if (!kind || /^(?:#\[[^]*?\]\s*)*#\[(?:cfg\(test\)|cfg\(all\(test|test\])/.test(head)) continue;
    const shown = signature(head);
    const isPublic = /(?:^|\] )pub /.test(shown);
    if (kind === "mod") {
      const [, child = ""] = /\bmod\s+(\w+)/.exec(head) ?? [];
      if (isPublic) own.push(shown);
      if (body !== undefined) inner.push(() => walk(body, `${name}::${child}`, join(folder, child), lines));
      else inner.push(() => follow(folder, name, child, lines));
    } else if (kind === "impl") {
      const members = statements(body ?? "").map((one) => signature(one.head)).filter((one) => / for /.test(shown) ? one.startsWith("type ") : /(?:^|\] )pub /.test(one));
      if (/ for /.test(shown) || members.length > 0) own.push([shown, ...members.map((one) => `    ${one}`)].join("\n"));
    } else if (kind === "macro_rules!") {
      if (head.includes("macro_export")) own.push(shown);
    } else if (isPublic) {
      const members = kind === "struct" || kind === "union"
        ? fields(body ?? "").filter((one) => /(?:^|\] )pub /.test(one))
        : kind === "enum"
        ? fields(body ?? "")
        : kind === "trait"
        ? statements(body ?? "").map((one) => signature(one.head))
        : [];
      own.push([shown, ...members.map((one) => `    ${one}`)].join("\n"));
    }
  }
  if (own.length > 0) lines.push(`\n${name}`, ...own.map((one) => one.replace(/^/gm, "  ")));
  for (const next of inner) next();
}

/** @param {string} folder @param {string} name @param {string} child @param {string[]} lines */
function follow(folder, name, child, lines) {
  for (const path of [join(folder, `${child}.rs`), join(folder, child, "mod.rs")]) if (existsSync(path)) read(path, `${name}::${child}`, join(folder, child), lines);
}

/**
 * Takes source apart where its statements end.
 *
 * @param {string} source
 * @returns {{ head: string, body?: string }[]} `body` is what stands between braces
 */
function statements(source) {
  /** @type {{ head: string, body?: string }[]} */
  const found = [];
  let start = 0;
  let depth = 0;
  let assigned = false;
  for (let at = 0; at < source.length; at += 1) {
    const letter = source[at];
    if (letter === "(" || letter === "[") depth += 1;
    else if (letter === ")" || letter === "]") depth -= 1;
    else if (depth > 0) continue;
    else if (letter === "=" && source[at + 1] !== ">" && !"=<>!".includes(source[at - 1] ?? "") && source[at + 1] !== "=" && /\b(?:const|static|type|let)\b[^(]*$/.test(source.slice(start, at))) assigned = true;
    else if (letter === ";") {
      found.push({ head: source.slice(start, at) });
      start = at + 1;
      assigned = false;
    } else if (letter === "{") {
      const end = closing(source, at);
      if (!assigned && !/\buse\b[^;]*$/.test(source.slice(start, at))) {
        found.push({ head: source.slice(start, at), body: source.slice(at + 1, end) });
        start = end + 1;
      }
      at = end;
    }
  }
  return found.map(({ head, body }) => ({ head: head.trim(), ...(body !== undefined && { body }) })).filter(({ head }) => head !== "");
}

/** The place of the brace that closes one. @param {string} source @param {number} open */
function closing(source, open) {
  let depth = 0;
  for (let at = open; at < source.length; at += 1) {
    if (source[at] === "{") depth += 1;
    else if (source[at] === "}" && --depth === 0) return at;
  }
  return source.length;
}

/** Fields or variants, each in a line. @param {string} body */
function fields(body) {
  /** @type {string[]} */
  const found = [];
  let start = 0;
  let depth = 0;
  for (let at = 0; at <= body.length; at += 1) {
    const letter = body[at];
    if (letter !== undefined && "([{<".includes(letter)) depth += 1;
    else if (letter !== undefined && (")]}".includes(letter) || (letter === ">" && body[at - 1] !== "-"))) depth -= 1;
    else if ((letter === "," && depth === 0) || letter === undefined) {
      found.push(signature(body.slice(start, at)));
      start = at + 1;
    }
  }
  return found.filter((one) => one !== "");
}

/** A head in one line, with the attributes that matter and without a value. @param {string} head */
function signature(head) {
  const text = head.replace(/\s+/g, " ").trim();
  /** @type {string[]} */
  const kept = [];
  let rest = text;
  for (let found = attribute(rest); found; found = attribute(rest)) {
    if (KEPT.test(found)) kept.push(found);
    rest = rest.slice(found.length).trim();
  }
  // A struct's own fields without names are places, no more.
  const tuple = /^(pub struct \w+(?:<[^(]*>)?)\((.*)\)((?: where .*)?)$/.exec(rest);
  if (tuple) rest = `${tuple[1]}(${fields(tuple[2] ?? "").map((one) => (/(?:^|\] )pub /.test(one) ? one : "_")).join(", ")})${tuple[3]}`;
  const valueless = /^(?:pub )?(?:const|static) (?!fn\b)/.test(rest) ? rest.replace(/ = .*$/, "") : rest;
  return [...kept, valueless.replace(/,(?= ?[)>}])/g, "").replace(/\( /g, "(").replace(/ \)/g, ")")].join(" ").trim();
}

/** The attribute that a text starts with. @param {string} text */
function attribute(text) {
  if (!text.startsWith("#[")) return undefined;
  let depth = 0;
  for (let at = 1; at < text.length; at += 1) {
    if (text[at] === "[") depth += 1;
    else if (text[at] === "]" && --depth === 0) return text.slice(0, at + 1);
  }
  return text;
}
