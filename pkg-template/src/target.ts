// Who flags are served to, as it is sent.

import { fault } from "./error";
import type { Target } from "./types";

/**
 * A deep copy as JSON has it, so that later changes of the application's object make no difference, and whatever is written of it
 * later can be written. A BigInt becomes text, a `Map` an object, a `Set` a list; what has `toJSON`, such as a `Date`, what that says.
 *
 * @throws FlagwireError where the identifier is missing or is an object, and where something in it cannot be sent
 */
export function copyTarget(target: Target): Target {
  let copy: Target | null;
  try {
    copy = JSON.parse(wellFormed(JSON.stringify(target, plain) ?? "{}")) as Target | null;
  } catch (error) {
    throw fault("invalid-target", true, error, error);
  }
  const identifier: unknown = copy?.identifier ?? "";
  // All objects, promises among them, would be one user: `[object Object]`.
  if (identifier === "" || typeof identifier === "object") throw fault("missing-target", true, undefined);
  copy!.identifier = String(identifier);
  return copy!;
}

/** For `JSON.stringify`: what there is in a target, as JSON can have it. Throws at what cannot be sent. */
export function plain(key: string, value: unknown): unknown {
  const type = typeof value;
  if (type === "bigint") return String(value);
  // JSON would leave it out without a word.
  if (type === "function" || type === "symbol") throw new TypeError(`${key} is a ${type}`);
  return value instanceof Map ? Object.fromEntries(value) : value instanceof Set ? [...value] : value;
}

/**
 * Replaces halves of characters, as of an emoji that was cut in two: no UTF-8 can hold them, and servers refuse them. `json` is what
 * `JSON.stringify` wrote, where they alone are escapes that begin with `ud`.
 */
export function wellFormed(json: string): string {
  return json.replace(/\\(ud...|.)/g, (escape, what: string) => (what[1] ? "\ufffd" : escape));
}
