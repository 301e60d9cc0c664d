// A test's map of flags: its type, the evaluations that a server would make of it, and its mistakes.

import { nearest } from "../diagnose";
import { FlagwireError } from "../failure";
import type { FlagDefault, FlagName } from "../flags";
import { plain } from "../target";
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
 * Returns what a server would send of a flag with this value. The kind follows from the value's type, and the variation is named like the
 * value as text, with the keys of JSON in order.
 *
 * @throws FlagwireError where no flag can have this value
 */
export function evaluationOf(flag: string, value: unknown): Evaluation {
  const kind = { boolean: "boolean", string: "string", number: "int", object: "json" }[typeof value as string];
  const text = kind === "json" ? json(flag, value) : String(value);
  if (!kind || (kind === "int" && !isFinite(value as number))) throw wrongValue(flag, `${typeof value} ${text}`);
  // The same JSON with its keys in another order is no change.
  return { flag, identifier: kind === "json" ? JSON.stringify(JSON.parse(text, inOrder)) : text, value: text, kind };
}

/** The error of a test that reads or sets a flag that it does not have. */
export function unknownFlag(flag: unknown, known: Iterable<string>): FlagwireError {
  const names = [...known];
  const other = nearest(String(flag), names);
  const hint = other ? `do you mean "${other}"? Else` : names.length ? `it has ${names.join(", ")};` : "it has none;";
  return new FlagwireError(`this test has no flag "${String(flag)}"; ${hint} add it to the flags of the test (with the value undefined, reads of it return their default)`, "unknown-flag");
}

function json(flag: string, value: unknown): string {
  try {
    return JSON.stringify(value, plain);
  } catch (error) {
    throw wrongValue(flag, (error as Error).message.split("\n")[0]!);
  }
}

/** For `JSON.parse`: objects with their keys in alphabetical order. */
function inOrder(_: string, inner: unknown): unknown {
  const isRecord = inner !== null && typeof inner === "object" && !Array.isArray(inner);
  return isRecord ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1))) : inner;
}

function wrongValue(flag: string, why: string): FlagwireError {
  return new FlagwireError(`"${flag}" cannot have this value (${why}); pass a boolean, a text, a number or what JSON can hold`, "test-value");
}
