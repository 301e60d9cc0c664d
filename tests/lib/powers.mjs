// The platform's powers that the client takes, and how each is taken from a page: what runs in the page before anything else.

/**
 * @typedef {"throws" | "rejects" | "hangs" | "does nothing"} Way
 * @typedef {{ power: string, way: Way, script: string }} Broken
 */

/** Breaks what `path` leads to. Runs in the page. @param {string} path @param {Way} way */
function broken(path, way) {
  const names = path.split(".");
  const name = /** @type {string} */ (names.pop());
  const owner = names.reduce((object, part) => object[part], /** @type {any} */ (globalThis));
  /** Whatever is asked of it is a function that does nothing. @type {any} */
  const idle = new Proxy(() => undefined, { get: (target, key) => (typeof key === "symbol" || key === "then" ? undefined : key === "prototype" ? target.prototype : () => undefined) });
  const refuse = () => {
    throw new DOMException("the test refuses it", "SecurityError");
  };
  const value = function() {
    if (way === "throws") refuse();
    if (way === "rejects") return Promise.reject(new DOMException("the test refuses it", "SecurityError"));
    if (way === "hangs") return new Promise(() => {});
    return new.target ? idle : undefined;
  };
  Object.defineProperty(owner, name, { configurable: true, writable: true, value });
}

/** Makes reading a property throw. Runs in the page. @param {string} path */
function forbidden(path) {
  const names = path.split(".");
  const name = /** @type {string} */ (names.pop());
  const owner = names.reduce((object, part) => object[part], /** @type {any} */ (globalThis));
  const get = () => {
    throw new DOMException("the test forbids it", "SecurityError");
  };
  Object.defineProperty(owner, name, { configurable: true, get });
}

/** Each power, and the ways in which it can fail. @type {Record<string, Way[]>} */
const POWERS = {
  "navigator.locks.request": ["throws", "rejects", "hangs", "does nothing"],
  BroadcastChannel: ["throws", "does nothing"],
  "BroadcastChannel.prototype.postMessage": ["throws", "does nothing"],
  "BroadcastChannel.prototype.close": ["throws", "does nothing"],
  "Storage.prototype.getItem": ["throws", "hangs", "does nothing"],
  "Storage.prototype.setItem": ["throws", "rejects", "hangs", "does nothing"],
  EventSource: ["throws", "does nothing"],
  "EventSource.prototype.addEventListener": ["throws"],
  "EventSource.prototype.close": ["throws"],
  AbortController: ["throws", "does nothing"],
  "AbortController.prototype.abort": ["throws", "does nothing"],
  "AbortSignal.timeout": ["throws", "does nothing"],
  Request: ["throws", "does nothing"],
  setTimeout: ["throws", "hangs", "does nothing"],
  clearTimeout: ["throws", "does nothing"],
  queueMicrotask: ["throws", "does nothing"],
  addEventListener: ["throws", "does nothing"],
  removeEventListener: ["throws", "does nothing"],
  TextEncoder: ["throws", "does nothing"],
  TextDecoder: ["throws"],
  URL: ["throws", "does nothing"],
  "crypto.randomUUID": ["throws"],
  "crypto.getRandomValues": ["throws"],
  structuredClone: ["throws"],
  "performance.now": ["throws", "does nothing"],
  "console.warn": ["throws"],
  "console.error": ["throws"],
  "ReadableStream.prototype.getReader": ["throws", "does nothing"],
  "ReadableStreamDefaultReader.prototype.read": ["throws", "rejects", "hangs"],
};

/** What may be gone, or refuse even to be looked at. */
const PROPERTIES = [
  "Navigator.prototype.locks",
  "BroadcastChannel",
  "localStorage",
  "sessionStorage",
  "EventSource",
  "AbortController",
  "Request",
  "TextEncoder",
  "TextDecoder",
  "crypto",
  "WebAssembly",
  "Document.prototype.hidden",
  "Document.prototype.currentScript",
  "Response.prototype.body",
];

/** Every way in which a page can be without a power. @type {Broken[]} */
export const BROKEN = [
  ...Object.entries(POWERS).flatMap(([power, ways]) => ways.map((way) => ({ power, way, script: `(${broken})(${JSON.stringify(power)}, ${JSON.stringify(way)})` }))),
  ...PROPERTIES.map((power) => ({ power: `the property ${power}`, way: /** @type {Way} */ ("throws"), script: `(${forbidden})(${JSON.stringify(power)})` })),
];

/** Makes the page's time pass faster. Runs in the page. @param {number} factor */
function hurry(factor) {
  const [now, later] = [Date.now.bind(Date), setTimeout.bind(globalThis)];
  const begin = now();
  Date.now = () => Math.floor(begin + (now() - begin) * factor);
  /** @type {any} */ (globalThis).setTimeout = (/** @type {() => void} */ run, delay = 0) => later(run, delay / factor);
}

/** A minute's wait takes two seconds. Comes before what breaks the timers. */
export const HURRY = `(${hurry})(30);`;
