// The core as JavaScript, for pages that may not run WebAssembly: under a content security policy without
// 'wasm-unsafe-eval', or in a browser's lockdown mode. wasm.ts loads it only then. It is the same core, made from the same
// sources, and a few times as large. Its glue takes no module: see scripts/build.mjs.

export { instantiate } from "./bindings.js";
