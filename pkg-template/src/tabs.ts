// The lock and the broadcast channel of a group of tabs.

import { Input } from "./border";
import { attempt } from "./guard";

/** Receives the inputs that come from the group. */
type Hear = (input: number, text?: string) => void;

/**
 * Joins this tab to its group. If the browser has no locks or no broadcast channel, or refuses them (in a sandboxed frame, or for a site
 * whose data is blocked), each tab is a group by itself. Nothing here throws.
 */
export class Group {
  readonly #name: string;
  readonly #hear: Hear;
  #channel: BroadcastChannel | undefined;
  #waiting: AbortController | undefined;
  #release: (() => void) | undefined;
  #left = false;

  constructor(name: string, hear: Hear) {
    this.#name = name;
    this.#hear = hear;
    try {
      this.#channel = new BroadcastChannel(name);
      this.#channel.onmessage = ({ data }) => {
        if (Array.isArray(data)) this.#tell(Input.MESSAGE + Number(data[0]), String(data[1]));
      };
    } catch {
      // Then there is no request for the lock either.
    }
    void this.lead_(false);
  }

  /** Requests the lock and waits for it, or steals it from the tab that holds it. */
  async lead_(steal: boolean): Promise<void> {
    let waiting: AbortController | undefined;
    await undefined;
    try {
      if (this.#channel) {
        const before = this.#waiting;
        waiting = this.#waiting = new AbortController();
        before?.abort();
        const hold = () =>
          new Promise<void>((release) => {
            if (this.#left) return release();
            this.#release = release;
            this.#tell(Input.LEADING);
          });
        // Stealing never waits, and the platform allows no signal with it.
        await navigator.locks.request(this.#name, steal ? { steal } : { signal: waiting.signal }, hold);
      }
    } catch {
      // The request was aborted or refused, or the lock was stolen; the state below tells which.
    }
    // The request was aborted.
    if (this.#left || waiting !== this.#waiting) return;
    if (this.#release) {
      // This tab's lock was stolen.
      this.#release = undefined;
      this.#tell(Input.LOST);
      void this.lead_(false);
    } else {
      attempt(() => this.#channel?.close());
      this.#channel = undefined;
      this.#tell(Input.LEADING);
    }
  }

  post_(message: number, text: string): void {
    attempt(() => this.#channel?.postMessage([message, text]));
  }

  leave_(): void {
    this.#left = true;
    this.#release?.();
    attempt(() => this.#channel?.close());
    attempt(() => this.#waiting?.abort());
  }

  #tell(input: number, text?: string): void {
    if (!this.#left) this.#hear(input, text);
  }
}
