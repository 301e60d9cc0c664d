// Uses APIs of the platform, each of which may be missing, forbidden, or replaced by a script of the page.

/** The longest delay that `setTimeout` accepts; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Returns the result of using an API, or `undefined` where that throws, so that the client goes on without it. */
export function attempt<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}

export type Timer = ReturnType<typeof setTimeout> | undefined;

/** Calls `callback` after a delay, where there are timers. */
export function later(callback: () => void, delayMs: number): Timer {
  return attempt(() => setTimeout(callback, Math.min(delayMs, MAX_DELAY_MS)));
}

export function cancel(timer: Timer): void {
  attempt(() => clearTimeout(timer));
}

/** Returns the UTF-8 of a text, also where there is no `TextEncoder`, as in jsdom. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return attempt(() => new TextEncoder().encode(text)) ?? Uint8Array.from(bytesOf(text), (byte) => byte.charCodeAt(0));
}

/** Returns the text of UTF-8. */
export function decode(bytes: Uint8Array): string {
  return attempt(() => new TextDecoder().decode(bytes)) ?? textOf(charactersOf(bytes));
}

/** Returns a text with a character for each byte. */
export function charactersOf(bytes: Uint8Array): string {
  return bytes.reduce((all, byte) => all + String.fromCharCode(byte), "");
}

/** Returns the UTF-8 of a text, as a text with a character for each byte. */
export function bytesOf(text: string): string {
  return unescape(encodeURIComponent(text));
}

/** Returns the text of UTF-8 that has a character for each byte. */
export function textOf(bytes: string): string {
  return decodeURIComponent(escape(bytes));
}
