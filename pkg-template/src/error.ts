import { attempt } from "./guard";
import { sentences, type Code, type Data } from "./sentences";

/** Whether errors and warnings are whole sentences, and reads are explained. The build sets it. */
declare const DEVELOPMENT: boolean;

/** The address of the document that describes each code; the code is its fragment. */
const DOCUMENTATION = "https://github.com/flagwire/flagwire/blob/main/docs/ERRORS.md#";

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

/**
 * Returns the text of an error or a warning: a sentence in the development build, else the code and its data, followed by the
 * address of the description.
 */
export function describe<C extends Code>(code: C, ...data: Data<C>): string {
  // What was thrown may be anything, also a value that cannot be converted to text.
  const text = attempt(() => (DEVELOPMENT ? (sentences[code] as (...data: Data<C>) => string)(...data) : [code, ...data.filter(Boolean)].join(", ")));
  return `${text ?? code}. See ${DOCUMENTATION}${code}`;
}

/** Makes the error of a code, with its cause and the data for its text. */
export function fault<C extends Code>(code: C, final: boolean, cause: unknown, ...data: Data<C>): FlagwireError {
  return new FlagwireError(describe(code, ...data), code, undefined, final, cause);
}
