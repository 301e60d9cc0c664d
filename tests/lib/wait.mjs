// Waiting for what says nothing when it happens.

/**
 * How long a test waits before it says what for. No limit on speed: far more than the busiest machine needs. Deliberate faults are tried
 * with less, because each of them makes a test wait in vain.
 */
export const PATIENCE_MS = Number(process.env.FLAGWIRE_PATIENCE_MS ?? 60_000);

const BETWEEN_LOOKS_MS = 20;

/**
 * Looks until there is something to see.
 *
 * @template T
 * @param {string | (() => string)} what is waited for, for the message of the error; a function is called when it fails
 * @param {() => T | Promise<T>} look
 * @returns {Promise<NonNullable<T>>} its first result that is true
 */
export async function until(what, look) {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline;) {
    const seen = await look();
    if (seen) return seen;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS_MS));
  }
  throw impatience(what);
}

/** @param {string | (() => string)} what @param {number} [waitedMs] */
export function impatience(what, waitedMs = PATIENCE_MS) {
  return new Error(`waited ${waitedMs / 1000} s for ${typeof what === "string" ? what : what()}`);
}

/** A promise, and the function that resolves it. @returns {{ opened: Promise<void>, open: () => void }} */
export function gate() {
  let open = () => {};
  const opened = /** @type {Promise<void>} */ (new Promise((resolve) => (open = resolve)));
  return { opened, open: () => open() };
}
