/**
 * Flags for tests: the real client on a plain map. No WebAssembly, no network, ready at once.
 *
 * ```ts
 * const client = testClient({ "dark-mode": true, "page-size": 50 });
 * client.variation("dark-mode", false); // true
 * client.set("dark-mode", false); // listeners and components are notified, as by the server
 * ```
 *
 * @packageDocumentation
 */

import { Client } from "./client";
import type { Unsubscribe } from "./events";
import type { FlagContent, FlagDefault, FlagName } from "./flags";
import { copyTarget } from "./target";
import { newestSession, type Session } from "./testing/core";
import type { TestFlags, TestState } from "./testing/flags";
import type { Change, Json, Logger, Overrides, Target } from "./types";

export type { TestFlags, TestState } from "./testing/flags";

/** Options of {@link testClient}; all may be left out. */
export interface TestClientOptions {
  /**
   * Who the flags are served to.
   * @default { identifier: "test" }
   */
  target?: Target;
  /**
   * The state to begin with. A client that is `initializing` has no values until {@link TestClient.become} changes that, so that a test
   * sees what is rendered while flags are loading.
   * @default { status: "ready" }
   */
  state?: TestState;
  /**
   * What happens where a flag is read or set that is not among the flags of the test: `throw` an error that names the nearest one, or
   * return the `default` as the real client does.
   * @default "throw"
   */
  unknownFlags?: "throw" | "default";
  /** Returns flags that are different for this target. It is called at the start and at each `identify`. */
  flagsOf?: (target: Target) => TestFlags | undefined;
  /**
   * What lets the test override flags: `localOverrides({ storage: "memory" })` of `flagwire/overrides`.
   * @default none
   */
  overrides?: Overrides;
  /**
   * Log what is going on.
   * @default false
   */
  debug?: boolean;
  /** @default console */
  logger?: Logger;
}

/** A client for tests. Made by {@link testClient}. */
export class TestClient extends Client {
  readonly #session: Session;
  #target: Target;

  /** @internal */
  constructor(flags: TestFlags, { target = { identifier: "test" }, state = { status: "ready" }, unknownFlags, flagsOf, overrides, debug, logger }: TestClientOptions) {
    const copy = copyTarget(target);
    // No name below `invalid` is ever found.
    super("test", copy, { baseUrl: "https://flags.invalid", ...(overrides && { overrides }), ...(debug && { debug }), ...(logger && { logger }) });
    this.#target = copy;
    this.#session = newestSession();
    this.#session.begin_(flags, state, { strict: unknownFlags !== "default", flagsOf: flagsOf as never });
  }

  /** The target that flags are served to: a copy of the one that was passed last. */
  get target(): Target {
    return this.#target;
  }

  /**
   * Changes a flag, or several at once. Listeners and components are notified before it returns, as by the server.
   *
   * @throws FlagwireError where the test does not have the flag, the value cannot be a flag's, or the client is closed
   */
  set<N extends FlagName>(flag: N, value: FlagDefault<N>): void;
  set(flags: TestFlags): void;
  set(flag: string | TestFlags, value?: unknown): void {
    if (typeof flag !== "string") this.#session.set_(flag);
    else if (value === undefined) this.#session.remove_(flag);
    else this.#session.set_({ [flag]: value });
  }

  /** Removes a flag, as if it had been deleted on the server: reads return their default. */
  remove(flag: FlagName): void {
    this.#session.remove_(flag);
  }

  /**
   * Brings the client into a state, with the events that lead to it. `{ status: "stale", reason: "refused" }` makes pending promises
   * reject, `{ status: "closed" }` closes the client.
   *
   * @throws FlagwireError where a client cannot come into this state: values that are there do not vanish
   */
  become(state: TestState): void {
    if (state.status === "closed") this.close();
    else this.#session.become_(state);
  }

  /** Returns how many reads of a flag found a value. The real client posts these counts. */
  reads(flag: FlagName): number {
    return this.#session.reads_(flag);
  }

  override async identify(target: Target, timeoutMs?: number): Promise<void> {
    const copy = copyTarget(target);
    this.#target = copy;
    return super.identify(copy, timeoutMs);
  }

  override onFlag<N extends FlagName>(flag: N, listener: (value: FlagContent<N> | undefined, change: Change<FlagContent<N>>) => void): Unsubscribe;
  override onFlag(flag: FlagName, listener: (value: Json | undefined, change: Change) => void): Unsubscribe;
  override onFlag(flag: FlagName, listener: (value: never, change: Change<never>) => void): Unsubscribe {
    this.#session.check_(flag);
    return super.onFlag(flag, listener as never);
  }
}

/**
 * Makes a client for tests, which serves these flags and nothing else, at once. Everything else is the real client's: types, listeners,
 * frozen JSON, promises, errors. The providers for React, Vue and Svelte take it as `client`.
 *
 * @throws FlagwireError where a value cannot be a flag's, or the target has no identifier
 */
export function testClient(flags: TestFlags = {}, options: TestClientOptions = {}): TestClient {
  return new TestClient(flags, options);
}
