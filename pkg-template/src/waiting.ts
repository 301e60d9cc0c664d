// Waiting with a limit, for what awaits a client: suspense, OpenFeature's lifecycle, components of Vue and Svelte. A page must never
// wait for the flag server without an end.

import type { Client } from "./client";
import { cancel, later } from "./guard";
import type { State } from "./types";

/** A limit as an option says it, in milliseconds; `fallback` where it says none, or what is no number. */
export function limitOf(option: number | undefined, fallback: number): number {
  return typeof option === "number" && option >= 0 ? option : fallback;
}

/** Resolves to whether `work` ended well within `limitMs`. Rejects as `work` does, where it does so in time. */
export function within(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = later(() => resolve(false), limitMs);
    const clear = () => cancel(timer);
    work.then(() => resolve(true), reject).finally(clear);
  });
}

/**
 * Resolves as soon as the client has values to read, wherever from: `bootstrap`, the cache, the server. Rejects like
 * `Client.ready` where there will be none.
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

/** Resolves to the client's state as soon as it has values, will have none, or the limit has passed. */
export async function settled(client: Client, timeoutMs: number): Promise<State> {
  await within(haveValues(client), limitOf(timeoutMs, 3_000)).catch(() => false);
  return client.state();
}

/** Whether the client has values to read, wherever from. */
export function hasValues(client: Client): boolean {
  return client.state().status !== "initializing";
}
