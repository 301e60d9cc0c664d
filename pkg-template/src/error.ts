import { attempt } from "./guard";
import { sentences, type Code, type Data } from "./sentences";
import { FlagwireError } from "./failure";

/** Whether errors and warnings are whole sentences, and reads are explained. The build sets it. */
declare const DEVELOPMENT: boolean;

/**
 * Returns the text of an error or a warning: a sentence in the development build, else the code and its data, followed by the
 * address of the description.
 */
export function describe<C extends Code>(code: C, ...data: Data<C>): string {
  // What was thrown may be anything, also a value that cannot be converted to text.
  const text = attempt(() => (DEVELOPMENT ? (sentences[code] as (...data: Data<C>) => string)(...data) : [code, ...data.filter(Boolean)].join(", ")));
  return `${text ?? code}. See https://github.com/flagwire/flagwire/blob/main/docs/ERRORS.md#${code}`;
}

/** Makes the error of a code, with its cause and the data for its text. */
export function fault<C extends Code>(code: C, final: boolean, cause: unknown, ...data: Data<C>): FlagwireError {
  return new FlagwireError(describe(code, ...data), code, undefined, final, cause);
}
