// What `crates/npm-cli` exports. The build puts wasm-bindgen's glue in this file's place.

/** Compiles and starts the module, once. */
export function initSync(options: { module: Uint8Array }): unknown;

/** Checks a flags file; its JSON is described in the crate. */
export function check(name: string, bytes: Uint8Array): string;
