// The instance of the module that all clients of the page use.

import type { Client } from "./bindings.js";

export type Class = typeof Client;

let shared: Class | undefined;

/** @param fresh asks for an instance that nobody has used yet: a trap leaves behind memory in any state */
export function instance(make: () => Class, fresh: boolean): Class {
  return fresh || !shared ? (shared = make()) : shared;
}
