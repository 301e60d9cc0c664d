// The core as JavaScript, for pages that may not run WebAssembly: under a content security policy without
// 'wasm-unsafe-eval', in a browser's lockdown mode, or where the module is gone or damaged. wasm.ts loads it only then. It is the same
// core, made from the same sources, and a few times as large. Its glue takes no module: see scripts/build.mjs.

export { instantiate } from "./bindings.js";
