// The shapes of what passes between the facade and the core; `border.ts` has the numbers, and `crates/npm-client/src` is the other half.

import type { Input } from "./border";

/**
 * Reports an input to the core, with what belongs to it: a detail, the number of the request or stream, and what a reply says. The order
 * is that of `call_`. What is left out is 0 for the core, and `retryAfterMs` is NaN, which means none.
 */
export type Hear = (input: Input, detail?: unknown, id?: number, status?: number, retryAfterMs?: number, etag?: string | null) => unknown;

/** Does what the core asks for besides requests and values. Runs user code. What is true or false is 1 or 0. */
export interface Host {
  /** Lets the facade know of what `Emitted` names. */
  emit_(emitted: number, number: number, detail: unknown): void;
  /** Reports an error by its `ErrorKind`. `cause` is a `Cause`, or an HTTP status. */
  fail_(kind: number, cause: number, final: number): void;
  /** Joins the group of that name. */
  join_(group: string): void;
  /** Does a `TabAction`; `text` is the UTF-8 of a message. */
  tabs_(action: number, text: Uint8Array): void;
  /** Reports `Input.TICK` after so many milliseconds, once; never if they are less than 0. Replaces what was asked for before. */
  arm_(delayMs: number): void;
}
