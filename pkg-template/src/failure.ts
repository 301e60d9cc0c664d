// The class of errors, by itself: `flagwire/testing` takes the main entry's, so that `instanceof` holds for both.

/** An error of a client: `code` is for programs, `message` for people. */
export class FlagwireError extends Error {
  override readonly name = "FlagwireError";

  constructor(
    message: string,
    /** One of those in docs/ERRORS.md: `network`, `timeout`, `unauthorized`, `bad-request`, `not-found`, `server`, … */
    readonly code: string,
    /** The HTTP status, where there was one. */
    readonly status?: number,
    /** Whether the client has stopped trying. */
    readonly final = false,
    cause?: unknown,
  ) {
    super(`Flagwire: ${message}`, cause === undefined ? undefined : { cause });
  }
}
