// The sizes of a WebAssembly module's functions, by name: where its bytes are.
//
// Source: https://webassembly.github.io/spec/core/binary/modules.html, and its appendix on the name section

const CUSTOM_SECTION = 0;
const IMPORT_SECTION = 2;
const CODE_SECTION = 10;
const FUNCTION_NAMES = 1;

/**
 * Functions and their bytes of code, largest first. Without a name section names are numbers.
 *
 * @param {Uint8Array} wasm
 * @returns {{ name: string, bytes: number }[]}
 */
export function functions(wasm) {
  /** @type {number[]} */
  const sizes = [];
  /** @type {Map<number, string>} */
  const names = new Map();
  let imported = 0;
  const input = { bytes: wasm, at: 8 }; // after magic and version
  while (input.at < wasm.length) {
    const id = wasm[input.at++];
    const end = u32(input) + input.at;
    if (id === IMPORT_SECTION) imported = u32(input); // wasm-bindgen imports functions alone
    else if (id === CODE_SECTION) {
      for (let left = u32(input); left > 0; left -= 1) {
        const size = u32(input);
        sizes.push(size);
        input.at += size;
      }
    } else if (id === CUSTOM_SECTION && text(input) === "name") readNames(input, end, names);
    input.at = end;
  }
  const found = sizes.map((bytes, index) => ({ name: names.get(imported + index) ?? String(imported + index), bytes }));
  return found.sort((one, other) => other.bytes - one.bytes);
}

/** The crate that a function belongs to: the one named first that is not the standard library, where there is one. */
export function crateOf(/** @type {string} */ name) {
  const crates = [...name.matchAll(/(\w+)\[[0-9a-f]+\]/g)].map(([, crate]) => crate);
  return crates.find((crate) => !["core", "alloc", "std"].includes(crate)) ?? crates[0] ?? "exports and the like";
}

/** @param {Input} input @param {number} end @param {Map<number, string>} names */
function readNames(input, end, names) {
  while (input.at < end) {
    const kind = input.bytes[input.at++];
    const next = u32(input) + input.at;
    if (kind === FUNCTION_NAMES) { for (let left = u32(input); left > 0; left -= 1) names.set(u32(input), text(input)); }
    input.at = next;
  }
}

/** @typedef {{ bytes: Uint8Array, at: number }} Input */

/** An unsigned number in LEB128. @param {Input} input */
function u32(input) {
  let value = 0;
  for (let shift = 0;; shift += 7) {
    const byte = input.bytes[input.at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
}

/** @param {Input} input */
function text(input) {
  const length = u32(input);
  input.at += length;
  return new TextDecoder().decode(input.bytes.subarray(input.at - length, input.at));
}
