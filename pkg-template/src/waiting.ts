// Waits with a time limit, for code that awaits a client: suspense, OpenFeature's lifecycle, components of Vue and Svelte. A page must
// never wait for the flag server without a limit.

import type { Client } from "./client";
import { cancel, later } from "./guard";
import type { State } from "./types";

/** Returns a time limit from an option, in milliseconds, or `fallback` if the option is missing or is not a number. */
export function limitOf(option: number | undefined, fallback: number): number {
  return typeof option === "number" && option >= 0 ? option : fallback;
}

/** Resolves to whether `work` resolved within `limitMs`. Rejects if `work` rejects in that time. */
export function within(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = later(() => resolve(false), limitMs);
    const clear = () => cancel(timer);
    work.then(() => resolve(true), reject).finally(clear);
  });
}

/**
 * Resolves as soon as the client has values from `bootstrap`, the cache or the server. Rejects as `Client.ready` does if it will have
 * none.
 */
export async function haveValues(client: Client): Promise<void> {
  if (hasValues(client)) return;
  await new Promise<void>((resolve, reject) => {
    const stop = client.on("state", () => {
      if (!hasValues(client)) return;
      stop();
      resolve();
    });
    client.ready().then(resolve, reject);
  });
}

/** Resolves to the client's state as soon as it has values, cannot have any, or the limit has passed. */
export async function settled(client: Client, timeoutMs: number): Promise<State> {
  await within(haveValues(client), limitOf(timeoutMs, 3_000)).catch(() => false);
  return client.state();
}

/** Returns whether the client has values from any source. */
export function hasValues(client: Client): boolean {
  return client.state().status !== "initializing";
}
