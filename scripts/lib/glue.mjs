// Makes wasm-bindgen's glue a function from a module to what it exports.
//
// As generated (`--target web`), the glue is one instance's for good, and a trap leaves that instance's memory in any state. As
// a function it gives as many as are asked for, each with its own state. On the way out goes what is never used: loading (the
// facade's business, see pkg-template/src/wasm.ts), and what makes up for kinds of numbers and texts that do not occur.

import { Plain } from "./run.mjs";

/** What is taken out, or replaced. Each must be there: another version of wasm-bindgen is to be looked at again. @type {[RegExp, string][]} */
const EDITS = [
  [/^export function /gm, "function "],
  // From the module's variables to the end: loading. The memory is looked at because a module of another kind has none.
  [/^let wasmModule, wasmInstance, wasm;[^]*/m, "const made = await WebAssembly.instantiate(module, __wbg_get_imports());\nconst wasm = (made.instance ?? made).exports;\ngetUint8ArrayMemory0();\nreturn { start_, call_ };\n"],
  // A view kept would be of an old buffer after memory has grown, where the module is a script and nothing detaches that.
  [/^let cachedUint8ArrayMemory0 = null;\nfunction getUint8ArrayMemory0\(\) \{[^]*?^\}\n/m, "const getUint8ArrayMemory0 = () => new Uint8Array(wasm.memory.buffer);\n"],
  // What is the same in every import is said shorter.
  [/function\(((?:arg\d+(?:, )?)*)\) \{/g, "($1) => {"],
  [/isLikeNone\((\w+)\) \? 0 : addHeapObject\(\1\)/g, "addOptional($1)"],
  [/^ *const ret = (.*);\n( *return (?:add(?:HeapObject|Optional)\()?)ret(\)?;)$/gm, "$2$1$3"],
  [/^function isLikeNone\(x\) \{\n.*\n\}\n/m, "const addOptional = (x) => x == null ? 0 : addHeapObject(x);\n"],
  // Numbers are numbers, and places in a memory of less than two gigabytes.
  [/^ *const (val\d+) = \+(\w+);\n([^]*?)\b\1\b/m, "$3$2"],
  [/ >>> 0\b/g, ""],
  // What is true or false is asked no more than that; where a real truth value is wanted, the facade makes one.
  [/ !== 0\b/g, ""],
  [/^ *ptr = ptr;\n/gm, ""],
  [/ [*/] 1\b/g, ""],
  // Handles are given and taken in one place each.
  [/^function getObject\(idx\) .*\n/m, ""],
  [/\bgetObject\((\w+)\)/g, "heap[$1]"],
  [/^function dropObject\(idx\) \{\n[^]*?^\}\n/m, ""],
  [/^ *dropObject\(idx\);\n/m, "    if (idx >= 1028) {\n        heap[idx] = heap_next;\n        heap_next = idx;\n    }\n"],
  [/^let heap = new Array\(1024\)\.fill\(undefined\);\nheap\.push\(undefined, null, true, false\);$/m, "let heap = [...Array(1024), undefined, null, true, false];"],
  [/^ *__proto__: null,\n/gm, ""],
  [/^ *const import0 = \{\n([^]*?)^ *\};\n *return \{\n *"\.\/flagwire_bg\.js": import0,\n *\};$/m, "    return { FROM: [\n$1    ] };"],
];

/** One import, as the edits leave it. */
const IMPORT = /^ {8}(\w+): (?=\([^)]*\) => \{$)/gm;

/**
 * @param {string} glue as wasm-bindgen generates it
 * @param {string} from the name of the module that the imports are from
 * @returns {{ script: string, imports: string[] }} a script that exports `instantiate(module)`, which takes a module or its bytes, and
 *   whose imports are called by their place in `imports`: arrays need no names
 */
export function instantiable(glue, from) {
  for (const [pattern, replacement] of EDITS) {
    if (glue.search(pattern) < 0) throw new Plain(`wasm-bindgen's glue has nothing like ${pattern}; adapt scripts/lib/glue.mjs to its version`);
    while (glue.search(pattern) >= 0) glue = glue.replace(pattern, replacement);
  }
  const imports = [...glue.matchAll(IMPORT)].map(([, name]) => String(name));
  return { script: `export async function instantiate(module) {\n${glue.replace(IMPORT, "        ").replace("return { FROM: [", `return { ${from}: [`)}}\n`, imports };
}
