// What passes between the facade and the core, by number. `src/client.rs` and `src/driver.rs` are the other half.

/** What the core is told. */
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
  /** It trapped, and is left alone from now on. */
  ABANDON,
  /** Another tab said message 0; message 1 is one more. */
  MESSAGE,
  /** Task 0 of the core was woken; one more is task 1. */
  WAKE = 64,
}

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

/** Does what the core asks for besides requests and values. Runs user code. */
export interface Host {
  emit_(event: number, number: number, detail: unknown): void;
  fail_(kind: number, code: string, message: string, status: number, final: boolean): void;
  /** 0 join the group of that name, 1 leave it, 2 steal its lock, 3 and more say message `action` − 3 to the others. */
  tabs_(action: number, text: Uint8Array): void;
  /** Calls with {@link Input.WAKE} and that task, in a microtask. */
  wake_(task: number): void;
  /** Calls with {@link Input.TICK} then; never if less than 0. */
  arm_(delayMs: number): void;
}
