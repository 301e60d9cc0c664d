/**
 * For servers and edge functions that render pages: flags for one request, and the text by which they reach the page.
 *
 * ```ts
 * const flags = await fetchEvaluations("api-key", { identifier: "user-42" }).catch(() => []);
 * const html = `<script>window.flags = ${dehydrate(flags)}</script>`;
 *
 * // in the page
 * initialize("api-key", { identifier: "user-42" }, { bootstrap: window.flags });
 * ```
 *
 * @packageDocumentation
 */

import { FlagwireError, initialize } from "./index";
import type { Evaluation, Options, Target } from "./types";

/** Options of {@link fetchEvaluations}. */
export interface FetchEvaluationsOptions extends Pick<Options, "baseUrl" | "logger" | "debug" | "wasm"> {
  /**
   * Milliseconds after which the page is better rendered without.
   * @default 3000
   */
  timeoutMs?: number;
}

/**
 * All evaluations of a target, for one request. Signs in, fetches and closes: two requests, no stream, and no reads counted,
 * because the page counts its own.
 *
 * @throws FlagwireError where the key is refused, or nothing has come in time; its `cause` is what failed last. Render with defaults
 * then.
 */
export async function fetchEvaluations(apiKey: string, target: Target, options: FetchEvaluationsOptions = {}): Promise<Evaluation[]> {
  const { timeoutMs = 3000, ...rest } = options;
  const client = initialize(apiKey, target, { ...rest, streamEnabled: false, pollingEnabled: false, enableAnalytics: false });
  let failed: FlagwireError | undefined;
  client.on("error", (error) => (failed = error));
  try {
    await client.ready(timeoutMs);
    return client.evaluations();
  } catch (error) {
    if ((error as FlagwireError).code !== "timeout") throw error;
    throw new FlagwireError(`no evaluations after ${timeoutMs} ms`, "timeout", failed?.status, false, failed);
  } finally {
    client.close();
  }
}

/**
 * Evaluations as text to be put between `<script>` and `</script>`: a JavaScript expression, and JSON as well. Nothing in it can end
 * the element or start a comment, whatever the flags' values are. Not meant for attributes.
 */
export function dehydrate(evaluations: readonly Evaluation[]): string {
  const fields = evaluations.map(({ flag, identifier, value, kind }) => ({ flag, identifier, value, kind }));
  // The last two end a line in scripts of before 2019.
  return JSON.stringify(fields).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
