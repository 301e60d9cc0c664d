// What the package promises in each engine, and what an engine does instead. docs/RELIABILITY.md has the same table for readers.

/**
 * @typedef {object} Promised
 * @property {string} promise
 * @property {string} tests where it is shown: a file of this folder, without its ending, and the beginning of its tests' names
 * @property {Partial<Record<import("../lib/engines.mjs").EngineName, string>>} [limits] what an engine does instead, and why
 */

/** @type {Promised[]} */
export const PROMISES = [
  { promise: "every kind is read, changes live, and changes with the target", tests: "values: every kind is read" },
  { promise: "`close()` leaves no stream", tests: "values: every kind is read" },
  { promise: "nothing in the console while all is well", tests: "values: every kind is read" },
  { promise: "a second visit begins with the cached values", tests: "values: the second visit" },
  { promise: "content security policies, with and without WebAssembly", tests: "values: a change arrives under the policy" },
  { promise: "the JavaScript build where WebAssembly is forbidden", tests: "values: flagwire/javascript" },
  { promise: "a restart of the server: what changed meanwhile arrives, and the stream is back", tests: "outages: the server restarts" },
  { promise: "a network that goes and returns: the same", tests: "outages: the network is away" },
  { promise: "tabs share one stream, and another takes over", tests: "tabs: three tabs" },
  { promise: "reads of a page that goes elsewhere or is loaded again are counted", tests: "tabs: reads of a page that is left" },
  {
    promise: "reads of a page that is closed are counted",
    tests: "tabs: reads of a page that is closed",
    limits: { firefox: "about one post in twenty is lost: Firefox ends a request that needs a CORS preflight when its tab is closed" },
  },
  {
    promise: "the back/forward cache keeps the page, which shows what changed meanwhile",
    tests: "tabs: a page in the back/forward cache",
    limits: { firefox: "only without a stream: Firefox keeps no page that has an open one or a lock, and decides before the page hears that it is left; it is loaded again" },
  },
  { promise: "module, shared and service workers, with and without WebAssembly", tests: "workers: a change arrives in" },
  { promise: "frames of the same site, of a third party, in a sandbox", tests: "frames: a change arrives in a frame of" },
  { promise: "frames of a third party, whether or not its data is blocked", tests: "frames: a change arrives in a frame of a third party" },
  { promise: "all site data blocked", tests: "frames: a change arrives where all site data is blocked" },
  { promise: "React's hooks follow changes and another target", tests: "react: React renders flags" },
  { promise: "each platform API missing, throwing or doing nothing", tests: "powers-chromium: a page goes on" },
  { promise: "the example and the server's page are drawn as they should be, light and dark, narrow and wide", tests: "looks: the example and the server" },
];

/**
 * The limit of an engine.
 *
 * @param {import("../lib/engines.mjs").EngineName} engine
 * @param {string} promise
 */
export function limit(engine, promise) {
  const found = PROMISES.find((one) => one.promise === promise);
  if (!found) throw new Error(`no promise is called “${promise}”`);
  return found.limits?.[engine];
}
