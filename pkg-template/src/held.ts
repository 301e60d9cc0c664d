// Manages the lifetime of clients in React: a client is made while rendering, held by effects, and closed when no effect holds it.

import { initialize } from "./index";
import type { Client } from "./client";
import { logOf } from "./options";
import { isServer, presets } from "./preset";
import { plain } from "./target";
import type { Evaluation, Options, Target } from "./types";
import { within } from "./waiting";

/** The milliseconds after which a client made while rendering is closed, if React has not committed what was rendered. */
const UNCLAIMED_MS = 60_000;
/** The milliseconds for which another user may see the values of the last one, while their own are being fetched. */
const SWITCH_TIMEOUT_MS = 5_000;

export interface Held {
  /** It is missing on a server, where nothing is fetched while rendering, and where the target is missing or refused. */
  readonly client: Client | undefined;
  readonly bootstrap: readonly Evaluation[];
  /** The key and address that the client was made with. It is missing for a client made elsewhere, which is not closed here. */
  readonly origin?: string;
  /** The identifier of the target whose values the client has: the one that it was made for, or has switched to. */
  owner?: string;
  /** How many effects hold the client. */
  users: number;
  closed?: boolean;
  timer?: ReturnType<typeof setTimeout>;
}

/** Clients that were made in a rendering that is not committed yet: React may render several times before it commits. */
const unclaimed = new Map<string, Held>();

/** Returns a text that differs for different targets. It does not throw, because rendering must not, whatever a target holds. */
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

/** Makes a client. Where the key or the target is missing or wrong, that is reported, and defaults are rendered. */
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
 * Switches to another target, and resolves to whether the client has the values of that target, or will have them. It resolves to
 * false where the client must not be used any more, because it would go on serving the values of the last target: the new one is
 * refused, or is another user whose values do not arrive in time.
 */
export async function switchTarget(held: Held, target: Target): Promise<boolean> {
  const { client } = held;
  if (!client) return false;
  try {
    const switching = client.identify(target).then(() => void (held.owner = target.identifier));
    return (await within(switching, SWITCH_TIMEOUT_MS)) || held.owner === target.identifier;
  } catch (error) {
    const { code } = error as { code?: string };
    // The server refused the target, which the client reports. The last values may be served to the same user only.
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
    // StrictMode and a fast refresh clean effects up and run them again at once.
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
