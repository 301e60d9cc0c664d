// Makes wasm-bindgen's glue a function from a module to the class it exports.
//
// As generated (`--target web`), the glue is one instance's for good, and a trap leaves that instance's memory in any state. As
// a function it gives as many as are asked for, each with its own state. On the way out goes what is never used: loading (the
// facade's business, see pkg-template/src/wasm.ts), freeing by the garbage collector (the facade frees), and what makes up
// for browsers of before 2021.

import { Plain } from "./run.mjs";

/** What is taken out, or replaced. Each must be there: another version of wasm-bindgen is to be looked at again. @type {[RegExp, string][]} */
const EDITS = [
  [/^export class /m, "class "],
  // From the module's variables to the end: loading.
  [/^let wasmModule, wasmInstance, wasm;[^]*/m, "const wasm = new WebAssembly.Instance(module, __wbg_get_imports()).exports;\nreturn Client;\n"],
  [/^const ClientFinalization = [^]*?;\n\n/m, ""],
  [/^ *ClientFinalization\.unregister\(.*\n/m, ""],
  [/^ *ClientFinalization\.register\(.*\n/m, ""],
  [/^if \(Symbol\.dispose\).*\n/m, ""],
  [/^const CLOSURE_DTORS = [^]*?;\n\n/m, ""],
  [/^ *CLOSURE_DTORS\.unregister\(.*\n/m, ""],
  [/^ *CLOSURE_DTORS\.register\(.*\n/m, ""],
  [/^if \(!\('encodeInto' in cachedTextEncoder\)\) \{[^]*?^\}\n/m, ""],
  // Texts that go in are short, or have to be copied whole anyway.
  [
    /^function passStringToWasm0\(arg, malloc, realloc\) \{[^]*?^\}\n/m,
    `function passStringToWasm0(arg, malloc) {
    const bytes = cachedTextEncoder.encode(arg);
    const ptr = malloc(WASM_VECTOR_LEN = bytes.length, 1) >>> 0;
    getUint8ArrayMemory0().set(bytes, ptr);
    return ptr;
}
`,
  ],
  [/(passStringToWasm0\(\w+, wasm\.\w+), wasm\.\w+\)/g, "$1)"],
];

/**
 * @param {string} glue as wasm-bindgen generates it
 * @returns {string} a script that exports `instantiate(module)`
 */
export function instantiable(glue) {
  for (const [pattern, replacement] of EDITS) {
    if (glue.search(pattern) < 0) throw new Plain(`wasm-bindgen's glue has nothing like ${pattern}; adapt scripts/lib/glue.mjs to its version`);
    glue = glue.replace(pattern, replacement);
  }
  return `export function instantiate(module) {\n${glue}}\n`;
}
