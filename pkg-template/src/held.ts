// A client on its way through React's rendering: made while rendering, held by effects, closed when no effect holds it.

import { initialize } from "./index";
import type { Client } from "./client";
import { logOf } from "./options";
import { isServer, presets } from "./preset";
import { plain } from "./target";
import type { Evaluation, Options, Target } from "./types";
import { within } from "./waiting";

/** A client made while rendering is closed after so many milliseconds, should React never commit what was rendered. */
const UNCLAIMED_MS = 60_000;
/** For so many milliseconds another user may see the last one's values, while their own are under way. */
const SWITCH_TIMEOUT_MS = 5_000;

export interface Held {
  /** Missing on a server, where nothing is fetched while rendering, and without a target that flags can be served to. */
  readonly client: Client | undefined;
  readonly bootstrap: readonly Evaluation[];
  /** What it was made of; missing for a client made elsewhere, which is not closed here. */
  readonly origin?: string;
  /** Whose values the client has: the identifier of the target that it was made for, or has switched to. */
  owner?: string;
  /** How many effects hold it. */
  users: number;
  closed?: boolean;
  timer?: ReturnType<typeof setTimeout>;
}

/** Clients that were made while rendering and are not committed yet: React may render several times before it commits. */
const unclaimed = new Map<string, Held>();

/** Tells targets apart. Whatever a target holds, rendering must not throw. */
export function identityOf(target: unknown): string {
  try {
    return JSON.stringify(target, plain) ?? "";
  } catch {
    return ""; // no client can be made for it
  }
}

export function given(client: Client): Held {
  return { client, bootstrap: client.evaluations(), users: 0 };
}

/** What cannot be made, because the key or the target is missing or wrong, is reported, and defaults are rendered. */
export function make(key: string, origin: string, apiKey: string, target: Target, options: Options | undefined): Held {
  const bootstrap = presets(options?.bootstrap);
  if (isServer()) return { client: undefined, bootstrap, origin, users: 0 };
  let held = unclaimed.get(key);
  if (!held) {
    const client = start(apiKey, target, options);
    held = { client, bootstrap, origin, ...(client && { owner: target.identifier }), users: 0 };
    unclaimed.set(key, held);
    release(held, key, UNCLAIMED_MS);
  }
  return held;
}

function start(apiKey: string, target: Target, options: Options | undefined): Client | undefined {
  try {
    return initialize(apiKey, target, options);
  } catch (error) {
    logOf(options ?? {})("error", `<FlagwireProvider> renders defaults: ${(error as Error).message.replace(/^Flagwire: /, "")}`);
    return undefined;
  }
}

/**
 * Switches to another target, and resolves to whether the client has that one's values, or will have them. False where it takes another
 * client, or none: for a target that is refused, or that is another user whose values do not come in time. The client would go on
 * serving the last one's.
 */
export async function switchTarget(held: Held, target: Target): Promise<boolean> {
  const { client } = held;
  if (!client) return false;
  try {
    const switching = client.identify(target).then(() => void (held.owner = target.identifier));
    return (await within(switching, SWITCH_TIMEOUT_MS)) || held.owner === target.identifier;
  } catch (error) {
    const { code } = error as { code?: string };
    // Refused by the server: the last values are right for the same user alone. The state and the events of the client say so.
    return code !== "missing-target" && code !== "invalid-target" && held.owner === target.identifier;
  }
}

/** Holds a client until the returned function is called. */
export function claim(held: Held, key: string): () => void {
  if (held.origin === undefined) return () => {};
  held.users++;
  clearTimeout(held.timer);
  unclaimed.delete(key);
  return () => {
    // StrictMode, and a fast refresh, take effects back and run them again at once.
    if (--held.users === 0) release(held, key, 0);
  };
}

function release(held: Held, key: string, delayMs: number): void {
  held.timer = setTimeout(() => {
    if (unclaimed.get(key) === held) unclaimed.delete(key);
    held.closed = true;
    held.client?.close();
  }, delayMs);
}
