// Reads and rewrites the names of a WebAssembly module's imports and exports.
//
// wasm-bindgen gives each import a name with a hash in it, twice: in the module and in the glue. They are two of the shipped
// kilobytes, and nobody reads them.
//
// Source: https://webassembly.github.io/spec/core/binary/modules.html

const IMPORT_SECTION = 2;
const EXPORT_SECTION = 7;

/** @typedef {{ module?: string, name: string }} Name an import's has a module, an export's has none */

/**
 * All names, in the order in which they stand.
 *
 * @param {Uint8Array} wasm
 * @returns {Name[]}
 */
export function names(wasm) {
  /** @type {Name[]} */
  const found = [];
  rename(wasm, (name) => {
    found.push(name);
    return name;
  });
  return found;
}

/**
 * A copy of the module in which each name is what `change` returns for it. An export for which it returns nothing is left out.
 *
 * @param {Uint8Array} wasm
 * @param {(name: Name) => Name | undefined} change
 * @returns {Uint8Array}
 */
export function rename(wasm, change) {
  const input = new Reader(wasm);
  const output = [...input.bytes(8)]; // magic and version
  while (!input.atEnd()) {
    const id = input.byte();
    const body = new Reader(input.bytes(input.u32()));
    const section = id === IMPORT_SECTION ? importSection(body, change) : id === EXPORT_SECTION ? exportSection(body, change) : body.rest();
    push(output, [id, ...leb(section.length)]);
    push(output, section);
  }
  return Uint8Array.from(output);
}

/** @param {Reader} body @param {(name: Name) => Name | undefined} change */
function importSection(body, change) {
  const count = body.u32();
  const output = leb(count);
  for (let i = 0; i < count; i += 1) {
    const from = { module: body.text(), name: body.text() };
    const to = change(from) ?? from;
    push(output, [...text(to.module ?? ""), ...text(to.name)]);
    const kind = body.byte();
    // A function has its type's number; the other kinds are not made by wasm-bindgen without threads.
    if (kind !== 0) throw new Error(`an import of kind ${kind} is not expected; is the module built with shared memory?`);
    push(output, [kind, ...leb(body.u32())]);
  }
  return output;
}

/** @param {Reader} body @param {(name: Name) => Name | undefined} change */
function exportSection(body, change) {
  const count = body.u32();
  /** @type {number[]} */
  const output = [];
  let kept = 0;
  for (let i = 0; i < count; i += 1) {
    const to = change({ name: body.text() });
    const entry = [body.byte(), ...leb(body.u32())];
    if (!to) continue;
    push(output, [...text(to.name), ...entry]);
    kept += 1;
  }
  return [...leb(kept), ...output];
}

class Reader {
  #at = 0;
  #bytes;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
  }

  atEnd() {
    return this.#at === this.#bytes.length;
  }

  byte() {
    return this.bytes(1)[0];
  }

  /** @param {number} length */
  bytes(length) {
    if (this.#at + length > this.#bytes.length) throw new Error("the module ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  rest() {
    return this.bytes(this.#bytes.length - this.#at);
  }

  /** An unsigned number in LEB128. */
  u32() {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  text() {
    return new TextDecoder().decode(this.bytes(this.u32()));
  }
}

/** @param {number} value */
function leb(value) {
  const bytes = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}

/** @param {string} name */
function text(name) {
  const bytes = new TextEncoder().encode(name);
  return [...leb(bytes.length), ...bytes];
}

/** @param {number[]} output @param {ArrayLike<number>} bytes */
function push(output, bytes) {
  for (let i = 0; i < bytes.length; i += 1) output.push(bytes[i]);
}
