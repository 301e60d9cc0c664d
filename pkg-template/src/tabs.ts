// The lock and the channel of a group of tabs.

import { Input } from "./core";

/** Is told what a tab hears. */
type Hear = (input: number, text?: string) => void;

/** This tab's part in a group. Where the browser has no locks each tab is a group of its own. */
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
    const locks = globalThis.navigator?.locks;
    if (!locks || typeof BroadcastChannel === "undefined") {
      queueMicrotask(() => this.#tell(Input.LEADING));
      return;
    }
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => {
      if (Array.isArray(data)) this.#tell(Input.MESSAGE + Number(data[0]), String(data[1]));
    };
    this.lead_(false);
  }

  /** Waits for the lock, or takes it from whoever holds it. */
  lead_(steal: boolean): void {
    if (!this.#channel) return;
    this.#waiting?.abort();
    const waiting = (this.#waiting = new AbortController());
    const hold = () =>
      new Promise<void>((release) => {
        if (this.#left) return release();
        this.#release = release;
        this.#tell(Input.LEADING);
      });
    // Stealing does not wait, so it takes no signal.
    navigator.locks.request(this.#name, steal ? { steal } : { signal: waiting.signal }, hold).catch((error: unknown) => {
      // Our waiting was aborted.
      if (this.#left || waiting.signal.aborted) return;
      this.#release = undefined;
      if ((error as Error | null)?.name === "AbortError") {
        // The lock we held was stolen.
        this.#tell(Input.LOST);
        this.lead_(false);
      } else {
        // A sandboxed frame has locks that refuse: a group of its own.
        this.#channel?.close();
        this.#channel = undefined;
        this.#tell(Input.LEADING);
      }
    });
  }

  post_(message: number, text: string): void {
    this.#channel?.postMessage([message, text]);
  }

  leave_(): void {
    this.#left = true;
    this.#waiting?.abort();
    this.#release?.();
    this.#channel?.close();
  }

  #tell(input: number, text?: string): void {
    if (!this.#left) this.#hear(input, text);
  }
}
