// The core as JavaScript, for pages that cannot run WebAssembly: under a content security policy without
// 'wasm-unsafe-eval', in a browser's lockdown mode, or where the module is missing or damaged. Only then wasm.ts loads it. It is
// built from the same sources and a few times as large. Its glue code takes no module: see scripts/build.mjs.

export { instantiate } from "./bindings.js";
