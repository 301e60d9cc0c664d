// What is imported from outside of the package's sources. Of Node's own modules the little that is used: their types would
// change the browser's, `setTimeout` among them.

declare module "node:fs/promises" {
  export function readFile(path: URL): Promise<Uint8Array<ArrayBuffer>>;
}

declare module "node:url" {
  export function pathToFileURL(path: string): URL;
}

declare module "*.wasm" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}

declare module "*.wasm?module" {
  const compiled: WebAssembly.Module;
  export default compiled;
}
