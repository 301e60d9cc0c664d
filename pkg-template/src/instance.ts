// The instance of the core that all clients of the page use.

import type { Core } from "./bindings.js";

let shared: Promise<Core> | undefined;

/**
 * @param fresh asks for an instance that nobody has used yet: a trap leaves behind memory in any state
 * @param make makes one; that it failed is forgotten, so that it can be tried again
 */
export function instance(fresh: boolean, make: () => Promise<Core>): Promise<Core> {
  if (fresh || !shared) {
    shared = make();
    shared.catch(() => (shared = undefined));
  }
  return shared;
}
