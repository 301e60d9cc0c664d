// A test's map of flags: its type, the evaluations that a server would make of it, and its mistakes.

import { nearest } from "../diagnose";
import { evaluationOf } from "../evaluation";
import { FlagwireError } from "../failure";
import type { FlagDefault, FlagName } from "../flags";
import type { Evaluation, Reason, Status } from "../types";

/**
 * Flags by name, with their values. With a project's own `Flags` an unknown name, or a value of another type, is a compile error. A flag
 * that is `undefined` is known and has no value, so that reads return the default.
 */
export type TestFlags = { readonly [N in FlagName]?: FlagDefault<N> | undefined };

/** How far the values can be trusted, as a test says it. `internal` cannot be asked for. */
export interface TestState {
  readonly status: Status;
  readonly reason?: Exclude<Reason, "internal">;
}

/**
 * Returns what a server would send of a flag with this value. The kind follows from the value's type.
 *
 * @throws FlagwireError where no flag can have this value
 */
export function testEvaluation(flag: string, value: unknown): Evaluation {
  return evaluationOf(flag, value, (why) => new FlagwireError(`"${flag}" cannot have this value (${why}); pass a boolean, a text, a number or what JSON can hold`, "test-value"));
}

/** The error of a test that reads or sets a flag that it does not have. */
export function unknownFlag(flag: unknown, known: Iterable<string>): FlagwireError {
  const names = [...known];
  const other = nearest(String(flag), names);
  const hint = other ? `do you mean "${other}"? Else` : names.length ? `it has ${names.join(", ")};` : "it has none;";
  return new FlagwireError(`this test has no flag "${String(flag)}"; ${hint} add it to the flags of the test (with the value undefined, reads of it return their default)`, "unknown-flag");
}
