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

declare module "node:http" {
  export interface Request {
    readonly method?: string;
    readonly url?: string;
    setEncoding(encoding: "utf8"): void;
    on(event: "data", listener: (part: string) => void): void;
    on(event: "end", listener: () => void): void;
  }
  export interface Response {
    writeHead(status: number, headers: Readonly<Record<string, string>>): void;
    write(text: string): void;
    end(text?: string): void;
    on(event: "close", listener: () => void): void;
  }
  export interface Server {
    once(event: "error", listener: (error: Error) => void): Server;
    listen(port: number, host: string, listening: () => void): Server;
    address(): { port: number };
    close(closed: () => void): void;
    closeAllConnections(): void;
  }
  export function createServer(handle: (request: Request, response: Response) => void): Server;
}

declare module "msw" {
  export interface HttpHandler {}
  export const http: { all(path: string, resolver: (info: { request: Request }) => Promise<Response | undefined>): HttpHandler };
}

declare module "@playwright/test" {
  export interface Frame {
    evaluate<A>(run: (argument: A) => void, argument: A): Promise<void>;
  }
  export interface Route {
    request(): { method(): string; url(): string; postData(): string | null };
    continue(options: { url: string }): Promise<void>;
    fallback(): Promise<void>;
    fulfill(reply: { status: number; headers: { [name: string]: string }; body?: string }): Promise<void>;
  }
  export interface BrowserContext {
    route(url: RegExp | ((url: URL) => boolean), handle: (route: Route) => Promise<void>): Promise<unknown>;
    addInitScript<A>(script: (argument: A) => void, argument: A): Promise<unknown>;
    pages(): { frames(): Frame[] }[];
  }
  export interface PlaywrightTestArgs {
    context: BrowserContext;
  }
  export interface PlaywrightTestOptions {}
  export interface PlaywrightWorkerArgs {}
  export interface PlaywrightWorkerOptions {}
  type Fixture<F, A> = F | ((fixtures: A, use: (value: F) => Promise<void>) => Promise<void>);
  type Fixtures<T, A> = { [K in keyof T]: Fixture<T[K], A> | [Fixture<T[K], A>, { option?: true; auto?: true; scope?: "worker" }] };
  export interface TestType<T, W> {
    extend<T2, W2>(fixtures: Fixtures<T2, T & T2 & W & W2> & Fixtures<W2, W & W2>): TestType<T & T2, W & W2>;
  }
  export const test: TestType<PlaywrightTestArgs & PlaywrightTestOptions, PlaywrightWorkerArgs & PlaywrightWorkerOptions>;
  export const expect: unknown;
}
