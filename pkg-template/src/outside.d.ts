// The little of Node's own modules that the package uses: their types would change the browser's, `setTimeout` among them.

declare module "node:fs/promises" {
  export function readFile(path: URL): Promise<Uint8Array<ArrayBuffer>>;
}

declare module "node:url" {
  export function pathToFileURL(path: string): URL;
}
