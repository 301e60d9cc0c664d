import { attempt } from "./guard";
import { sentences, type Code, type Data } from "./sentences";

/** Set by the build: whether errors and warnings are whole sentences, and reads are explained. */
declare const DEVELOPMENT: boolean;

/** Where each code's causes and cures are described, as the fragment of its name. */
const DOCUMENTATION = "https://github.com/flagwire/flagwire/blob/main/docs/ERRORS.md#";

/** What went wrong: `code` for programs, `message` for people. */
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
 * What is written of an error or a warning: a sentence in the development build, else the code and what belongs to it; and the
 * place that describes it.
 */
export function describe<C extends Code>(code: C, ...data: Data<C>): string {
  // What was thrown may be anything, also what no text can be made of.
  const text = attempt(() => (DEVELOPMENT ? (sentences[code] as (...data: Data<C>) => string)(...data) : [code, ...data.filter(Boolean)].join(", ")));
  return `${text ?? code}. See ${DOCUMENTATION}${code}`;
}

/** The error of a code, with what is thrown underneath and what belongs to the code. */
export function fault<C extends Code>(code: C, final: boolean, cause: unknown, ...data: Data<C>): FlagwireError {
  return new FlagwireError(describe(code, ...data), code, undefined, final, cause);
}
