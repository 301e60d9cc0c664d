// Reads and writes the cache, which keeps the values of the last visit.

import { hash } from "./hash";
import type { CacheStorage, Evaluation, Options, Target } from "./types";
import { evaluationsIn, sorted } from "./values";

/** The target whose values are to be written, and all of its evaluations. */
export type Saved = [target: Target, list: Evaluation[]];

/** The place in the cache of one target's values. */
export interface Place {
  /** `undefined` where the browser has no storage or forbids it. */
  storage: CacheStorage | undefined;
  key: string;
  ttl: number | undefined;
}

export function placeOf(cache: Options["cache"], baseUrl: string, apiKey: string, target: Target): Place {
  const { key, ttl, storage = platformStorage() } = typeof cache === "object" ? cache : {};
  return { storage, key: key ? key(target) : "flagwire-" + hash(baseUrl, apiKey, target.identifier), ttl };
}

function platformStorage(): CacheStorage | undefined {
  for (const name of ["localStorage", "sessionStorage"] as const) {
    try {
      // Reading the property throws where storage is forbidden.
      if (globalThis[name]) return globalThis[name];
    } catch {
      // the next one
    }
  }
  return undefined;
}

/**
 * Reads the cached evaluations, synchronously where the storage is synchronous. Calls `found` with them if there are any.
 *
 * @throws the error of the storage
 */
export function readCache({ storage, key, ttl }: Place, found: (list: Evaluation[]) => void): void | Promise<void> {
  const use = (text: string | null | undefined, savedAt: string | null | undefined) => {
    if (!text) return;
    if (ttl && Date.now() - Number(savedAt) > ttl) {
      storage!.removeItem(key);
      storage!.removeItem(key + ".ts");
      return;
    }
    const evaluations = evaluationsIn(JSON.parse(text));
    if (evaluations.length) found(evaluations);
  };
  const text = storage?.getItem(key);
  const savedAt = storage?.getItem(key + ".ts");
  if (typeof text === "object" && text) return Promise.all([text, savedAt]).then(([text, savedAt]) => use(text, savedAt));
  use(text, savedAt as string | null);
}

/** Writes the evaluations to the cache. Rejects where the storage is full or forbidden. */
export async function writeCache({ storage, key }: Place, list: Evaluation[]): Promise<void> {
  await storage?.setItem(key, JSON.stringify(sorted(list)));
  await storage?.setItem(key + ".ts", String(Date.now()));
}
