// Values of the last visit. Keys and format are those of `@harnessio/ff-javascript-client-sdk`, so that a site which moves
// from it keeps what its visitors have.

import { sha256 } from "./sha256";
import type { CacheOptions, CacheStorage, Evaluation, Target } from "./types";
import { isEvaluation } from "./values";

/** What is to be written, and where. */
export interface Saved {
  key: string;
  text: string;
}

/** The cache's place for one target. */
export function cacheKey(apiKey: string, target: Target, options: CacheOptions): string {
  const derive = options.deriveKeyFromTargetAttributes;
  let attributes = "";
  if (derive) {
    const all = target.attributes ?? {};
    const chosen = (derive === true ? Object.keys(all) : derive.filter((name) => Object.hasOwn(all, name))).sort();
    attributes = JSON.stringify(Object.fromEntries(chosen.map((name) => [name, all[name]])));
  }
  return "HARNESS_FF_CACHE_" + sha256(attributes + target.identifier + apiKey);
}

/** The storage to use; none where the browser has none or forbids it. */
export function storageOf(options: CacheOptions): CacheStorage | undefined {
  if (options.storage) return options.storage;
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
 * Reads what was kept, at once where the storage is synchronous. Calls `found` with it, never with nothing.
 *
 * @throws what the storage throws
 */
export function readCache(storage: CacheStorage, key: string, ttl: number | undefined, found: (list: Evaluation[]) => void): void | Promise<void> {
  const use = (text: string | null | undefined, savedAt: string | null | undefined) => {
    if (!text) return;
    if (ttl && Date.now() - Number(savedAt) > ttl) {
      storage.removeItem(key);
      storage.removeItem(key + ".ts");
      return;
    }
    const list: unknown = JSON.parse(text);
    const evaluations = Array.isArray(list) ? list.filter(isEvaluation) : [];
    if (evaluations.length) found(evaluations);
  };
  const text = storage.getItem(key);
  const savedAt = storage.getItem(key + ".ts");
  if (typeof text === "object" && text) return Promise.all([text, savedAt]).then(([text, savedAt]) => use(text, savedAt));
  use(text, savedAt as string | null);
}

/** Writes; rejects where the storage is full or forbidden. */
export async function writeCache(storage: CacheStorage, { key, text }: Saved): Promise<void> {
  await storage.setItem(key, text);
  await storage.setItem(key + ".ts", String(Date.now()));
}

/** The text to keep. */
export function savedText(list: Evaluation[]): string {
  return JSON.stringify(list.sort((one, other) => (one.flag < other.flag ? -1 : 1)));
}
