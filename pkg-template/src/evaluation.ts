// Writes values as the server writes them: for tests and for overrides, where the application gives a value and not an evaluation.

import { plain } from "./target";
import type { Evaluation } from "./types";

/** The kinds of flags by the type of their values. */
const KINDS: { readonly [type: string]: string } = { boolean: "boolean", string: "string", number: "int", object: "json" };

/** Returns the kind of a flag with this value, or `undefined` where no flag can have it. */
export function kindOf(value: unknown): string | undefined {
  return KINDS[typeof value];
}

/**
 * Returns what a server would send of a flag with this value. The variation is named like the value as text, with the keys of JSON in
 * order, so that the same JSON with its keys in another order is no change.
 *
 * @param refuse makes the error to throw where no flag of the kind can have this value
 */
export function evaluationOf(flag: string, value: unknown, refuse: (why: string) => Error, kind = kindOf(value)): Evaluation {
  const text = kind === "json" ? json(value, refuse) : String(value);
  if (!kind || (typeof value === "number" && !isFinite(value))) throw refuse(`${typeof value} ${text}`);
  return { flag, identifier: kind === "json" ? JSON.stringify(JSON.parse(text, inOrder)) : text, value: text, kind };
}

function json(value: unknown, refuse: (why: string) => Error): string {
  try {
    return JSON.stringify(value, plain);
  } catch (error) {
    throw refuse((error as Error).message.split("\n")[0]!);
  }
}

/** Sorts the keys of objects, for `JSON.parse`. */
function inOrder(_: string, inner: unknown): unknown {
  const isRecord = inner !== null && typeof inner === "object" && !Array.isArray(inner);
  return isRecord ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1))) : inner;
}
