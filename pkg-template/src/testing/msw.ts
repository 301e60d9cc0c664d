/**
 * Handlers for MSW 2 that answer the client's requests, stream included, for tests and stories that run the real client.
 *
 * ```ts
 * const flags = flagwireHandlers({ "dark-mode": true });
 * const server = setupServer(...flags.handlers);
 * flags.set("dark-mode", false); // the client hears it by its stream
 * ```
 *
 * @packageDocumentation
 */

import { http, type HttpHandler } from "msw";
import type { TestFlags } from "./flags";
import { HEARTBEAT, HEARTBEAT_MS, PageFlags } from "./protocol";

/** Options of {@link flagwireHandlers}. */
export interface FlagwireHandlersOptions {
  /**
   * What the application gives its client. By default requests of the protocol are answered wherever they go.
   * @default any
   */
  baseUrl?: string | URL;
}

/** Flags whose changes the client hears by its stream. Made by {@link flagwireHandlers}. */
export class HandledFlags extends PageFlags {
  /** For `setupServer` and `setupWorker`. */
  readonly handlers: HttpHandler[];

  /** @internal */
  constructor(flags: TestFlags, base: string) {
    super(flags);
    this.handlers = [
      http.all(base + "/*", async ({ request }) => {
        const reply = this.answer(request.method, request.url, await request.clone().text());
        // What is none of the protocol is another handler's.
        if (!reply) return;
        const body = reply.body === undefined ? this.#stream(request.signal) : reply.body || null;
        return new Response(body, { status: reply.status, headers: reply.headers });
      }),
    ];
  }

  #stream(signal: AbortSignal): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    let end = () => {};
    return new ReadableStream<Uint8Array>({
      start: (stream) => {
        const send = (text: string) => {
          try {
            stream.enqueue(encoder.encode(text));
          } catch {
            end(); // nobody reads it any more
          }
        };
        const stop = this.listen(send);
        const timer = setInterval(() => send(HEARTBEAT), HEARTBEAT_MS);
        // In Node a test must be able to end.
        (timer as { unref?: () => void }).unref?.();
        end = () => {
          stop();
          clearInterval(timer);
        };
        signal.addEventListener("abort", end);
        send(HEARTBEAT);
      },
      cancel: () => end(),
    });
  }
}

/**
 * Makes handlers that serve these flags to every target.
 *
 * @throws FlagwireError where a value cannot be a flag's
 */
export function flagwireHandlers(flags: TestFlags = {}, { baseUrl = "*" }: FlagwireHandlersOptions = {}): HandledFlags {
  return new HandledFlags(flags, String(baseUrl).replace(/\/+$/, ""));
}
