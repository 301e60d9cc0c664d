// The lock and the channel of a group of tabs.

/** What a tab hears: 0 the lock is ours, 1 it was stolen, 2 another tab said something. */
type Hear = (event: number, message: number, text: string) => void;

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
      queueMicrotask(() => this.#tell(0));
      return;
    }
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => {
      if (Array.isArray(data)) this.#tell(2, Number(data[0]), String(data[1]));
    };
    this.lead(false);
  }

  /** Waits for the lock, or takes it from whoever holds it. */
  lead(steal: boolean): void {
    if (!this.#channel) return;
    this.#waiting?.abort();
    const waiting = (this.#waiting = new AbortController());
    const hold = () =>
      new Promise<void>((release) => {
        if (this.#left) return release();
        this.#release = release;
        this.#tell(0);
      });
    // Stealing does not wait, so it takes no signal.
    navigator.locks.request(this.#name, steal ? { steal } : { signal: waiting.signal }, hold).catch((error: unknown) => {
      // Our waiting was aborted.
      if (this.#left || waiting.signal.aborted) return;
      this.#release = undefined;
      if ((error as Error | null)?.name === "AbortError") {
        // The lock we held was stolen.
        this.#tell(1);
        this.lead(false);
      } else {
        // A sandboxed frame has locks that refuse: a group of its own.
        this.#channel?.close();
        this.#channel = undefined;
        this.#tell(0);
      }
    });
  }

  post(message: number, text: string): void {
    this.#channel?.postMessage([message, text]);
  }

  leave(): void {
    this.#left = true;
    this.#waiting?.abort();
    this.#release?.();
    this.#channel?.close();
  }

  #tell(event: number, message = 0, text = ""): void {
    if (!this.#left) this.#hear(event, message, text);
  }
}
