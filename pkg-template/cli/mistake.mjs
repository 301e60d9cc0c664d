/** An error that the caller can correct. Its message says what is wrong and what to do. */
export class Mistake extends Error {}

/** @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
