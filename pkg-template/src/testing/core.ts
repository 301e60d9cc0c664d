// The core of `flagwire/testing`: a map in the place of the WebAssembly module. A `Client` on it is the real one in everything that
// applications see (reads, listeners, conversion, promises, errors); it sends nothing, and is ready when it is made.
//
// Invariants: nothing is reported after `close()`, and events come in the order of the real core: the changes, `flags loaded`, `ready`,
// the end of a switch of target, the state.

import { Cause, Emitted, ErrorKind, Input, REASONS, StateNumber, STATUSES } from "../border";
import type { Core } from "../bindings.js";
import type { Hear, Host } from "../core";
import { fault } from "../error";
import { FlagwireError } from "../failure";
import type { Evaluation, Reason, Status, Target } from "../types";
import type { Changes, Values } from "../values";
import type { Wire } from "../wire";
import { testEvaluation, unknownFlag, type TestState } from "./flags";

/** What a session is made with. */
export interface Setup {
  readonly strict: boolean;
  readonly flagsOf?: ((target: Target) => Readonly<Record<string, unknown>> | undefined) | undefined;
}

/** The failure that leads to each reason: what was being done, and its cause or HTTP status. */
const FAILURES: { readonly [reason: string]: readonly [kind: ErrorKind, cause: number] } = {
  auth: [ErrorKind.AUTH, 503],
  refused: [ErrorKind.AUTH, 401],
  fetch: [ErrorKind.FETCH_FLAGS, 503],
  stream: [ErrorKind.STREAM, Cause.NETWORK],
  unreachable: [ErrorKind.FETCH_FLAGS, Cause.NETWORK],
};

/** The sessions of all test clients, by number. */
const sessions = new Map<number, Session>();
let newestNumber = 0;

/** Takes the core's place in `Client`. */
export const testCore: Core = {
  start_(host: Host, _wire: Wire, values: Values): number {
    sessions.set(++newestNumber, new Session(host, values));
    return newestNumber;
  },
  call_(number: number, ...[input, detail]: Parameters<Hear>): void {
    const session = sessions.get(number);
    if (input === Input.CLOSE) session?.close_();
    else if (input === Input.IDENTIFY) session?.identify_(detail as Target);
    else if (input === Input.SET) session?.store_(detail as Evaluation[]);
    else if (input === Input.REFRESH) session?.refresh_();
  },
};

/** Returns the session that was started last. */
export function newestSession(): Session {
  return sessions.get(newestNumber)!;
}

/** Called where a read returns the default. Throws where the test does not know the flag. */
export function missed(number: number, flag: string): void {
  sessions.get(number)?.check_(flag);
}

/** What there is behind one test client. */
export class Session {
  readonly #host: Host;
  readonly #values: Values;
  /** What a server would serve. The client has it from the first state other than `initializing`. */
  readonly #served = new Map<string, Evaluation>();
  /** The names that may be read and set. */
  readonly #known = new Set<string>();
  readonly #reads = new Map<string, number>();
  #setup: Setup = { strict: true };
  #status: Status = "initializing";
  #reason: Reason | undefined;
  /** The state that the test asked for last; during a switch of target the client is in another. */
  #said: TestState = { status: "initializing" };
  #connected = false;
  /** Whether the server's first list is there, and whether that was announced. */
  #listed = false;
  #announced = false;
  #asOf = 1;
  #switches = 0;
  #complete = 0;

  constructor(host: Host, values: Values) {
    this.#host = host;
    this.#values = values;
  }

  /** Begins with these flags. One that is `undefined` is known, and has no value. */
  begin_(flags: object, { status, reason }: TestState, setup: Setup): void {
    this.#setup = setup;
    this.#put(flags, false);
    this.#put(setup.flagsOf?.(this.#values.target_) ?? {}, false);
    this.#said = { status, ...(reason && { reason }) };
    if (status === "ready" && !reason) {
      // Ready at once. The events of that come a moment later, when an application had the time to listen.
      this.#deliver();
      this.#listed = true;
      this.#setState(status);
      void Promise.resolve().then(() => this.#announce());
    } else if (status !== "initializing" || reason) this.become_(this.#said);
  }

  /** Sets flags; the client has them at once, where it has any. */
  set_(flags: object): void {
    this.#open();
    this.#put(flags, this.#setup.strict);
    if (this.#status !== "initializing") this.#deliver();
  }

  remove_(flag: string): void {
    this.#open();
    this.check_(flag);
    this.#served.delete(flag);
    if (this.#status !== "initializing") this.#deliver();
  }

  become_({ status, reason }: TestState): void {
    this.#open();
    if (!STATUSES.includes(status) || (reason !== undefined && !REASONS.includes(reason))) throw misuse(`there is no state ${JSON.stringify({ status, reason })}; pass a status of State, and a reason where something is wrong`);
    if (status === "initializing" ? this.#status !== status : status === "cached" && this.#listed) {
      throw misuse(`a client that is ${this.#status} does not become ${status}; make one with testClient(flags, { state: { status: "${status}" } })`);
    }
    this.#said = { status, ...(reason && { reason }) };
    this.#announce();
    const worse = reason !== this.#reason;
    if (status !== "initializing") this.#deliver();
    if (status === "ready" || status === "stale") {
      this.#listed = true;
      this.#announce();
    }
    if (!reason) this.#switched();
    if (this.#connected && reason && reason !== "target") {
      this.#connected = false;
      this.#emit(Emitted.DISCONNECTED);
    }
    const [kind, cause] = FAILURES[reason ?? ""] ?? [];
    if (worse && kind !== undefined) this.#host.fail_(kind, cause!, +(reason === "refused"));
    this.#setState(status, reason);
    if (status === "ready" && !this.#connected) {
      this.#connected = true;
      this.#emit(Emitted.CONNECTED);
    }
  }

  /** Switches at once, and reports the end of it a moment later, where there is a server that answers. */
  identify_(target: Target): void {
    this.#announce();
    this.#values.setTarget_(target);
    const switches = ++this.#switches;
    const after = this.#after();
    this.#setState(this.#listed ? "stale" : this.#status, "target");
    if (!after) return;
    void Promise.resolve().then(() => {
      if (switches !== this.#switches || this.#status === "closed") return;
      this.#put(this.#setup.flagsOf?.(target) ?? {}, false);
      this.#deliver();
      this.#listed = true;
      this.#announce();
      this.#switched();
      this.#said = after;
      this.#setState(after.status, after.reason);
    });
  }

  /** Stores evaluations that the application has from elsewhere. */
  store_(list: readonly Evaluation[]): void {
    for (const evaluation of list) {
      this.#known.add(evaluation.flag);
      this.#served.set(evaluation.flag, evaluation);
    }
    this.#changed(this.#values.merge_(list, ++this.#asOf));
  }

  refresh_(): void {
    if (!this.#listed) return;
    this.#deliver();
    this.#emit(Emitted.FLAGS_LOADED);
  }

  reads_(flag: string): number {
    this.check_(flag);
    for (let body: string | undefined; (body = this.#values.takeCounts_("")) !== undefined; this.#values.settleCounts_(false)) {
      const { metricsData } = JSON.parse(body) as { metricsData: { count: number; attributes: { key: string; value: string }[] }[] };
      for (const { count, attributes } of metricsData) {
        const name = attributes.find(({ key }) => key === "featureIdentifier")!.value;
        this.#reads.set(name, (this.#reads.get(name) ?? 0) + count);
      }
    }
    return this.#reads.get(flag) ?? 0;
  }

  /** Throws where the test does not know the flag. */
  check_(flag: unknown): void {
    if (this.#setup.strict && !this.#known.has(flag as string)) throw unknownFlag(flag, this.#known);
  }

  close_(): void {
    this.#status = "closed";
  }

  #open(): void {
    if (this.#status === "closed") throw fault("closed", true, undefined);
  }

  /** Notes what is served from now on. Nothing is noted where one name or value is wrong. */
  #put(flags: object, strict: boolean): void {
    const entries = Object.entries(flags) as [string, unknown][];
    if (strict) entries.forEach(([flag]) => this.check_(flag));
    const evaluations = entries.map(([flag, value]) => (value === undefined ? undefined : testEvaluation(flag, value)));
    entries.forEach(([flag], index) => {
      const evaluation = evaluations[index];
      this.#known.add(flag);
      if (evaluation) this.#served.set(flag, evaluation);
      else this.#served.delete(flag);
    });
  }

  /** Lets the client have what is served now. */
  #deliver(): void {
    this.#changed(this.#values.replace_([...this.#served.values()], ++this.#asOf));
  }

  #changed(changes: Changes | undefined): void {
    if (changes) this.#emit(Emitted.CHANGED, 0, changes);
  }

  /** Reports the first list, once. */
  #announce(): void {
    if (!this.#listed || this.#announced || this.#status === "closed") return;
    this.#announced = true;
    this.#emit(Emitted.FLAGS_LOADED);
    this.#emit(Emitted.READY);
    if (this.#status !== "ready" || this.#connected) return;
    this.#connected = true;
    this.#emit(Emitted.CONNECTED);
  }

  #switched(): void {
    if (!this.#listed || this.#complete === this.#switches) return;
    this.#complete = this.#switches;
    this.#emit(Emitted.IDENTIFIED, this.#switches);
  }

  /** Returns the state after a switch of target; nothing while there is no server that would answer. */
  #after(): TestState | undefined {
    const { status, reason } = this.#said;
    // Another target may be accepted where the last one was refused.
    if (reason === "target" || reason === "refused") return { status: "ready" };
    const answers = reason === undefined ? status === "ready" || status === "stale" : reason === "stream" || reason === "hidden";
    return answers ? this.#said : undefined;
  }

  #setState(status: Status, reason?: Reason): void {
    if (this.#status === "closed" || (status === this.#status && reason === this.#reason)) return;
    [this.#status, this.#reason] = [status, reason];
    this.#emit(Emitted.STATE, (STATUSES.indexOf(status as "ready") << StateNumber.REASON_BITS) | Math.max(0, REASONS.indexOf(reason as undefined)));
  }

  /** A listener may have closed the client, and then nothing follows. */
  #emit(event: Emitted, number = 0, detail?: unknown): void {
    if (this.#status !== "closed") this.#host.emit_(event, number, detail);
  }
}

function misuse(text: string): FlagwireError {
  return new FlagwireError(text, "test-state");
}
