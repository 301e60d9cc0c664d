// The lock and the channel of a group of tabs.

import { Input } from "./border";
import { attempt } from "./guard";

/** Receives the inputs that the group leads to. */
type Hear = (input: number, text?: string) => void;

/**
 * This tab's part in a group. Where the browser has no locks or no channel, or refuses them (a frame in a sandbox, a site whose data is
 * blocked), each tab is a group of its own. Nothing of it throws.
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
      // then it waits for no lock either
    }
    void this.lead_(false);
  }

  /** Waits for the lock, or takes it from whoever holds it. */
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
        // Stealing does not wait, so it takes no signal.
        await navigator.locks.request(this.#name, steal ? { steal } : { signal: waiting.signal }, hold);
      }
    } catch {
      // aborted, stolen or refused: what is the case says which
    }
    // Our waiting was aborted.
    if (this.#left || waiting !== this.#waiting) return;
    if (this.#release) {
      // The lock we held was stolen.
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
