// Converts a target into the form that is sent.

import { fault } from "./error";
import type { Target } from "./types";

/**
 * Returns a deep copy of a target as JSON, so that later changes of the application's object have no effect, and writing it as text
 * cannot fail. A BigInt becomes text, a `Map` an object, a `Set` a list; an object with `toJSON`, such as a `Date`, becomes its result.
 *
 * @throws FlagwireError if the identifier is missing or is an object, or something in the target cannot be sent
 */
export function copyTarget(target: Target): Target {
  let copy: Target | null;
  try {
    copy = JSON.parse(wellFormed(JSON.stringify(target, plain) ?? "{}")) as Target | null;
  } catch (error) {
    throw fault("invalid-target", true, error, error);
  }
  const identifier: unknown = copy?.identifier ?? "";
  // All objects, promises among them, would become the same user: `[object Object]`.
  if (identifier === "" || typeof identifier === "object") throw fault("missing-target", true, undefined);
  copy!.identifier = String(identifier);
  return copy!;
}

/** Replaces values for `JSON.stringify` by ones that JSON can hold. Throws if a value cannot be sent. */
export function plain(key: string, value: unknown): unknown {
  const type = typeof value;
  if (type === "bigint") return String(value);
  // JSON would leave it out silently.
  if (type === "function" || type === "symbol") throw new TypeError(`${key} is a ${type}`);
  return value instanceof Map ? Object.fromEntries(value) : value instanceof Set ? [...value] : value;
}

/**
 * Replaces lone surrogates, such as those of an emoji that was cut in two: UTF-8 cannot hold them, and servers refuse them. `json` must
 * be the output of `JSON.stringify`, in which only they are written as escapes that begin with `ud`.
 */
export function wellFormed(json: string): string {
  return json.replace(/\\(ud...|.)/g, (escape, what: string) => (what[1] ? "\ufffd" : escape));
}
