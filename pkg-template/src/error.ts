/** What went wrong: `code` for programs, `message` for people. */
export class FlagwireError extends Error {
  override readonly name = "FlagwireError";

  constructor(
    message: string,
    /** `network`, `timeout`, `unauthorized`, `bad-request`, `not-found`, `throttled`, `server`, `malformed`, `internal`, … */
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
