// Runs the bundled reads in Node: `node reads/node.mjs <bundle> <setting as JSON> <options as JSON>`; prints the result as JSON.
//
// Some SDKs for pages look for page globals; what they need to start is given here, as their users do in server rendering.

import { pathToFileURL } from "node:url";

const [bundle, setting, options] = process.argv.slice(2);
const kept = new Map();
const storage = {
  getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
  setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
  removeItem: (/** @type {string} */ key) => void kept.delete(key),
};
const listeners = { addEventListener() {}, removeEventListener() {} };
Object.assign(globalThis, {
  window: globalThis,
  localStorage: storage,
  sessionStorage: storage,
  document: { ...listeners, hidden: false, visibilityState: "visible", readyState: "complete", cookie: "", location: { href: "http://localhost/" }, documentElement: {}, querySelectorAll: () => [] },
  location: new URL("http://localhost/"),
  MutationObserver: class {
    observe() {}
    disconnect() {}
  },
  ...listeners,
});
const { measure } = await import(pathToFileURL(bundle).href);
const result = await measure(JSON.parse(setting), JSON.parse(options));
process.stdout.write(`\nRESULT ${JSON.stringify(result)}\n`, () => process.exit(0));
