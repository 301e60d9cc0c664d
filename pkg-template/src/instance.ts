// The instance of the module that all clients of the page use.

import type { Core } from "./bindings.js";

let shared: Core | undefined;

/** @param fresh asks for an instance that nobody has used yet: a trap leaves behind memory in any state */
export function instance(make: () => Core, fresh: boolean): Core {
  return fresh || !shared ? (shared = make()) : shared;
}
