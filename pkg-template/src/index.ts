/**
 * Live feature flags.
 *
 * ```ts
 * import { initialize, Event } from "flagwire";
 *
 * const client = initialize("api-key", { identifier: "user-42", attributes: { plan: "gold" } });
 * await client.ready();
 * client.variation("dark-mode", false);
 * client.onFlag("dark-mode", (value) => document.body.classList.toggle("dark", value === true));
 * ```
 *
 * @packageDocumentation
 */

import { Client } from "./client";
import { fault } from "./error";
import { copyTarget } from "./target";
import type { Options, Target } from "./types";

/**
 * Creates a client, which connects by itself. The call returns at once: until the server's evaluations arrive, `variation()`
 * returns values from the cache or from `bootstrap`, or else the default.
 *
 * @param apiKey a client key of the environment
 * @throws FlagwireError if the key or the target's identifier is missing, or the target cannot be sent. A network failure never makes
 * it throw.
 */
export function initialize(apiKey: string, target: Target, options?: Options): Client {
  if (!apiKey || typeof apiKey !== "string") {
    throw fault("missing-key", true, undefined);
  }
  return new Client(apiKey, copyTarget(target), options ?? {});
}

export type { Client } from "./client";
export { FlagwireError } from "./failure";
export { Event, type EventName, type EventPayloads, type Unsubscribe } from "./events";
export type * from "./flags";
export type * from "./types";
export { convert as valueOf } from "./values";
