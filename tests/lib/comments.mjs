// The comments of source files, so that tests can read them.

/**
 * @typedef {object} Comment
 * @property {string} text without the marks that open and close it; one line of it
 * @property {number} line in the file, from 1
 */

/** What opens a string, a comment or a regular expression, by kind of file. */
const SCRIPT = /(?<comment>\/\/[^\n]*|\/\*[^]*?\*\/)|(?<text>"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`)|(?<=(?:[=(,:;[!&|?{}]|^|=>|\breturn|\bcase)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/gm;
const RUST = /(?<comment>\/\/[^\n]*|\/\*[^]*?\*\/)|(?<text>b?r(?<marks>#*)"[^]*?"\k<marks>|b?"(?:\\[^]|[^"\\])*"|b?'(?:\\[^\n]{1,8}?|[^'\\\n])')/g;
const HASH = /(?<text>"(?:\\[^]|[^"\\\n])*"|'[^'\n]*')|(?<comment>(?<=^|\s)#[^\n]*)/gm;
const MARKUP = /(?<comment><!--[^]*?-->)/g;
const STYLE = /(?<comment>\/\*[^]*?\*\/)/g;

/** @type {Record<string, RegExp>} */
const GRAMMARS = {
  rs: RUST,
  ...Object.fromEntries(["ts", "tsx", "mjs", "js", "jsx", "cjs"].map((name) => [name, SCRIPT])),
  ...Object.fromEntries(["toml", "yaml", "yml", "py", "sh", "service"].map((name) => [name, HASH])),
  html: MARKUP,
  css: STYLE,
};

/**
 * @param {string} path tells the language by its ending
 * @param {string} source
 * @returns {Comment[]} none for a language that is not known
 */
export function commentsOf(path, source) {
  const grammar = GRAMMARS[path.slice(path.lastIndexOf(".") + 1)];
  if (!grammar) return [];
  /** @type {Comment[]} */
  const comments = [];
  for (const { index, groups } of source.matchAll(grammar)) {
    if (groups?.comment === undefined) continue;
    const first = source.slice(0, index).split("\n").length;
    for (const [offset, text] of groups.comment.split("\n").entries()) comments.push({ text: text.replace(/^\s*(?:\/\/[/!]?|\/\*\*?|\*(?!\/)|#|<!--)?\s?|\s*(?:\*\/|-->)$/g, ""), line: first + offset });
  }
  return comments;
}
