// What passes between the facade and the core, by number. `src/client.rs` and `src/driver.rs` are the other half.

/** The inputs that the core takes. */
export const enum Input {
  TICK,
  CLOSE,
  REFRESH,
  FLUSH,
  IDENTIFY,
  SET,
  ONLINE,
  VISIBLE,
  HIDDEN,
  LEFT,
  RESTORED,
  /** The lock of the group of tabs is ours. */
  LEADING,
  /** It was stolen. */
  LOST,
  /** A request got no reply. */
  FAILURE,
  /** A request was answered. */
  REPLY,
  /** The head of the answer to a stream's request is there, and it is no stream. */
  ANSWERED,
  /** The same, and it is one. */
  OPENED,
  /** A stream asked for a delay before the next: `status` milliseconds. */
  RETRY,
  /** An event of a stream. */
  EVENT,
  /** A stream's sign of life. */
  HEARTBEAT,
  /** A stream ended, by whatever cause. */
  ENDED,
  /** Once, before anything else. */
  START,
  /** Another tab said message 0; message 1 is one more. */
  MESSAGE,
}

/** Tells the core: something about a request or stream of that number, with what belongs to it. Bytes are a `detail` from `EVENT` on. */
export type Hear = (input: Input, detail?: unknown, id?: number, status?: number, retryAfterMs?: number, etag?: string | null) => unknown;

/** What the core tells, beside the events whose numbers are their places in `Event`. */
export const enum Output {
  READY = 0,
  FLAGS_LOADED = 6,
  CHANGED = 7,
  IDENTIFIED = 8,
  STATE = 9,
  SAVE = 10,
  /** The first of its errors. */
  ERROR_AUTH = 11,
}

/** Does what the core asks for besides requests and values. Runs user code. What is true or false is 1 or 0. */
export interface Host {
  emit_(event: number, number: number, detail: unknown): void;
  /** `cause` is 0 for no answer, 1 for none in time, 2 for one that cannot be read, else the status. */
  fail_(kind: number, cause: number, final: number): void;
  /** Joins the group of that name. */
  join_(group: string): void;
  /** 0 leave the group, 1 steal its lock, 2 and more say the message `action` − 2 to the others. */
  tabs_(action: number, text: Uint8Array): void;
  /** Calls with {@link Input.TICK} then; never if less than 0. */
  arm_(delayMs: number): void;
}
