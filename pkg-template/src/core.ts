// The types of the calls between the facade and the core. `border.ts` has the numbers, and `crates/npm-client/src` is the other side.

import type { Input } from "./border";

/**
 * Reports an input to the core, with its detail, the number of the request or stream, and the status and headers of a reply. The
 * order is that of `call_`. What is left out is 0 for the core, and `retryAfterMs` is NaN, which means none.
 */
export type Hear = (input: Input, detail?: unknown, id?: number, status?: number, retryAfterMs?: number, etag?: string | null) => unknown;

/** Performs the outputs of the core other than requests and values. It runs user code. Booleans are 1 or 0. */
export interface Host {
  /** Reports an event or another output of the core, whose number is one of `Emitted`. */
  emit_(emitted: number, number: number, detail: unknown): void;
  /** Reports an error by its `ErrorKind`. `cause` is a `Cause`, or an HTTP status. */
  fail_(kind: number, cause: number, final: number): void;
  /** Joins the group of that name. */
  join_(group: string): void;
  /** Performs a `TabAction`; `text` is the UTF-8 of a message. */
  tabs_(action: number, text: Uint8Array): void;
  /** Sets the timer, which reports `Input.TICK` once, after so many milliseconds, or never if they are less than 0. */
  arm_(delayMs: number): void;
}
