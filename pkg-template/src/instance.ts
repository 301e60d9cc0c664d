// The instance of the core that all clients of the page use.

import type { Core } from "./bindings.js";

let shared: Promise<Core> | undefined;

/**
 * @param fresh asks for a new instance, because after a trap the memory of the last one may be in any state
 * @param make makes an instance; a failure is not kept, so that it can be tried again
 */
export function instance(fresh: boolean, make: () => Promise<Core>): Promise<Core> {
  if (fresh || !shared) {
    shared = make();
    shared.catch(() => (shared = undefined));
  }
  return shared;
}
