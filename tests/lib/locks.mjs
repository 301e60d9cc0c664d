// Exclusive locks by name, for Node before 24, which has no `navigator.locks`: granted in the order of the requests, stolen, and given
// up by a signal, as https://www.w3.org/TR/web-locks/ says.

/** @typedef {{ signal?: AbortSignal, steal?: boolean }} LockOptions */

/** A lock manager of its own, such as each origin of a browser has. */
export function lockManager() {
  /** @type {Map<string, { release: (error?: unknown) => void }>} */
  const held = new Map();
  /** @type {Map<string, (() => void)[]>} */
  const waiting = new Map();

  /** @param {string} name */
  const grantNext = (name) => {
    held.delete(name);
    waiting.get(name)?.shift()?.();
  };

  return {
    /** Whether nobody holds the lock or waits for it. @param {string} name */
    isFree: (name) => !held.has(name) && !waiting.get(name)?.length,

    /**
     * @template T
     * @param {string} name
     * @param {LockOptions} options
     * @param {() => T | Promise<T>} use
     * @returns {Promise<T>} what `use` gives; rejects where the lock is stolen meanwhile, or the signal aborts the waiting
     */
    request(name, { signal, steal }, use) {
      return new Promise((resolve, reject) => {
        const take = () => {
          signal?.removeEventListener("abort", giveUp);
          const holder = { release: reject };
          held.set(name, holder);
          const done = (/** @type {() => void} */ settle) => {
            if (held.get(name) === holder) grantNext(name);
            settle();
          };
          // A lock is granted in a task of its own.
          setImmediate(async () => {
            try {
              const result = await use();
              done(() => resolve(result));
            } catch (error) {
              done(() => reject(error));
            }
          });
        };
        const giveUp = () => {
          waiting.set(name, (waiting.get(name) ?? []).filter((one) => one !== take));
          reject(signal?.reason);
        };
        if (signal?.aborted) return reject(signal.reason);
        if (steal) {
          held.get(name)?.release(new DOMException("The lock was stolen.", "AbortError"));
          return take();
        }
        if (!held.has(name)) return take();
        waiting.set(name, [...(waiting.get(name) ?? []), take]);
        signal?.addEventListener("abort", giveUp);
      });
    },
  };
}
