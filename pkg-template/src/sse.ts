// Events of a stream that is read by `fetch`. `crates/core/src/sse.rs` is the same for Rust; both run
// crates/core/vectors/sse.json. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

import { attempt, charactersOf, textOf } from "./guard";

/** The most characters that an event may have. A server that sends more without completing one would take the page's memory. */
const MAX_EVENT_LENGTH = 8 * 1024 * 1024;

/** The longest delay that the core takes as a number; it waits an hour at most. */
const MAX_RETRY_MS = 2 ** 32 - 1;

/** Takes an event's name, empty for `message`, and its data. */
type OnEvent = (kind: string, data: string) => void;

/**
 * Reads one stream. Call what it returns with bytes in any split.
 *
 * `onRetry` gets the delay in milliseconds that the server asks for before the next connection.
 *
 * @throws where an event is too long
 */
export function eventReader(onEvent: OnEvent, onRetry: (delayMs: number) => void): (bytes: Uint8Array) => void {
  // Without one, events are put together of bytes, and each is decoded as a whole.
  const decoder = attempt(() => new TextDecoder());
  let line = "";
  let afterReturn = false;
  let kind = "";
  let data = "";
  return (bytes) => {
    let text = decoder ? decoder.decode(bytes, { stream: true }) : charactersOf(bytes);
    if (!text) return;
    // A carriage return ends its line at once, as waiting for a line feed could delay an event for ever. One that comes later
    // belongs to it.
    if (afterReturn) text = text.replace(/^\n/, "");
    afterReturn = text.endsWith("\r");
    const lines = (line + text).split(/\r\n?|\n/);
    line = lines.pop()!;
    for (const whole of lines) {
      if (whole) {
        const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(whole) as unknown as [string, string, string];
        if (name === "data") data += value + "\n";
        else if (name === "event") kind = value;
        else if (name === "retry" && /^\d+$/.test(value)) onRetry(Math.min(+value, MAX_RETRY_MS));
      } else {
        if (data) onEvent(kind, decoder ? data.slice(0, -1) : textOf(data.slice(0, -1)));
        kind = data = "";
      }
    }
    if (line.length + data.length > MAX_EVENT_LENGTH) throw new RangeError("event too long");
  };
}
