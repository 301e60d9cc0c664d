// The client that applications hold. It owns what must be synchronous and fast: reads, listeners, the first values. The core
// decides which requests are sent and when.

// The order of these imports is that of the modules in the script. Compressed, it is 36 bytes smaller than the alphabetical one.
import { describe, fault } from "./error";
import { FlagwireError } from "./failure";
import { loadCore, type Core } from "./wasm";
import { attempt, cancel, decode, encode, later, type Timer } from "./guard";
import { Cause, Emitted, ErrorKind, Input, OptionPlace, REASONS, StateNumber, STATUSES, StreamTransport, TabAction } from "./border";
import { missed, testCore } from "./testing/core";
import { coreOptions, logOf, type Log } from "./options";
import { copyTarget } from "./target";
import { changeOf, evaluationsIn, Values, ValueType, type Changes } from "./values";
import { isNone, type FailureCode } from "./sentences";
import { Wire } from "./wire";
import { Event, FIRST_ERROR, Listeners, type EventName, type EventPayloads, type Unsubscribe } from "./events";
import { placeOf, readCache, writeCache, type Place, type Saved } from "./cache";
import { Group } from "./tabs";
import type { Hear, Host } from "./core";
import type { FlagContent, FlagDefault, FlagName, FlagValue, FlagValues, Read, ReadDetail, ReadJson, ReadJsonDetail } from "./flags";
import type { APIRequestMiddleware, Change, Evaluation, Json, Options, OverrideDuration, OverrideValues, Reason, State, Status, Target, Variation, Widen } from "./types";

/** Set by the build. `TESTING` is true for `flagwire/testing`, whose core is part of its script and sends nothing. */
declare const DEVELOPMENT: boolean;
declare const TESTING: boolean;

const EVENTS = Object.values(Event);
/** The codes of failures, by cause and by HTTP status. */
const CODES: { readonly [cause: number]: FailureCode } = {
  [Cause.NETWORK]: "network",
  [Cause.TIMEOUT]: "timeout",
  [Cause.MALFORMED]: "malformed",
  400: "bad-request",
  401: "unauthorized",
  403: "unauthorized",
  404: "not-found",
  408: "throttled",
  413: "too-large",
  429: "throttled",
  431: "too-large",
};
const PAGE_EVENTS = ["online", "visibilitychange", "pagehide", "pageshow"];

/** Flags of one target, kept up to date. Made by {@link initialize}. */
export class Client {
  /** @internal `flagwire/overrides` lays its view over these values. */
  readonly values_: Values;
  /** The view of `values_`, kept here because that is one step less for each read. */
  readonly #slots: Values["slots_"];
  readonly #wire: Wire;
  readonly #numbers: readonly number[];
  readonly #log: Log;
  readonly #listeners: Listeners;
  readonly #flagListeners: Listeners;
  readonly #options: Options;
  readonly #apiKey: string;
  #core: Core | undefined;
  /** The number of this client in the core's instance. */
  #number = 0;
  #group: Group | undefined;
  #timer: Timer;
  #restarted = false;
  #state: State = { status: "initializing", since: Date.now() };
  /** A function for each pending promise. It rejects with the error, or resolves once the switch of target is complete. */
  readonly #waiters = new Set<(error?: FlagwireError) => void>();
  /** How many times the target was switched, and how many of these switches came before the core was started, which counts its own. */
  #switches = 0;
  #before = 0;
  /** The last switch of target that is complete; -1 before the first fetch. */
  #complete = -1;
  #refused: FlagwireError | undefined;
  /** The causes of which a warning was logged, so that each is logged once. */
  readonly #said = new Set<string>();

  /** @internal */
  constructor(apiKey: string, target: Target, options: Options) {
    this.#options = options;
    this.#apiKey = apiKey;
    this.#log = logOf(options);
    const report = (error: unknown) => this.#log("error", "a listener threw", error);
    this.#listeners = new Listeners(report);
    this.#flagListeners = new Listeners(report);
    this.values_ = new Values(target);
    options.overrides?.attach_?.(this);
    this.#slots = this.values_.view_;
    const { endpoints_, numbers_ } = coreOptions(options, this.#log);
    this.#numbers = numbers_;
    this.#wire = new Wire(apiKey, endpoints_, this.values_, this.#call);
    if (DEVELOPMENT) this.#wire.onServerKey_ = () => this.#once("server-key", describe("server-key"));
    this.#loadCache();
    this.#preset(this.#evaluations("bootstrap", options.bootstrap));
    void this.#start();
  }

  // ---- reading ----

  /**
   * Returns the value of a flag, or `defaultValue` where there is no such flag, none yet, or its value is of another type. Takes
   * about as long as a lookup in a `Map`, counts the read, and never throws.
   */
  variation<T extends FlagDefault<N>, N extends FlagName = FlagName>(flag: N, defaultValue: T): FlagValue<N, T> {
    const slot = this.#slots.get(flag);
    if (slot !== undefined) {
      const { type_: type } = slot;
      // The types are written out, because comparing `typeof` of two variables takes as long as finding the flag.
      const fits = type === ValueType.BOOLEAN
        ? typeof defaultValue === "boolean"
        : type === ValueType.STRING
        ? typeof defaultValue === "string"
        : type === ValueType.NUMBER
        ? typeof defaultValue === "number"
        : typeof defaultValue === "object";
      if (fits || defaultValue == null) {
        slot.n++;
        return slot.value_ as FlagValue<N, T>;
      }
    }
    return this.#fallBack(flag, defaultValue) as FlagValue<N, T>;
  }

  /** Does what {@link variation} does, and also returns where the value is from. */
  variationDetail<T extends FlagDefault<N>, N extends FlagName = FlagName>(flag: N, defaultValue: T): Variation<FlagValue<N, T>> {
    const slot = this.#slots.get(flag);
    const value = this.variation<T, N>(flag, defaultValue);
    return slot && slot.value_ === (value as unknown)
      ? { value, variation: slot.evaluation_.identifier, reason: slot.reason_ ?? "evaluated", isDefaultValue: false }
      : { value, reason: slot ? "wrong-type" : "not-found", isDefaultValue: true };
  }

  /** {@link variation} for boolean flags. */
  declare readonly boolVariation: Read<boolean>;
  /** {@link variation} for flags of text. */
  declare readonly stringVariation: Read<string>;
  /** {@link variation} for flags of numbers. */
  declare readonly numberVariation: Read<number>;
  /** {@link variation} for `json` flags. Values are frozen. */
  declare readonly jsonVariation: ReadJson;
  /** {@link variationDetail} for boolean flags. */
  declare readonly boolVariationDetail: ReadDetail<boolean>;
  /** {@link variationDetail} for flags of text. */
  declare readonly stringVariationDetail: ReadDetail<string>;
  /** {@link variationDetail} for flags of numbers. */
  declare readonly numberVariationDetail: ReadDetail<number>;
  /** {@link variationDetail} for `json` flags. Values are frozen. */
  declare readonly jsonVariationDetail: ReadJsonDetail;

  // The methods for the four types are the same functions; only their types in TypeScript differ.
  static {
    const { prototype } = this;
    for (const type of ["bool", "string", "number", "json"]) {
      Object.assign(prototype, { [type + "Variation"]: prototype.variation, [type + "VariationDetail"]: prototype.variationDetail });
    }
    // `flagwire/overrides` gives a client its own.
    const override = () => {
      throw fault("no-overrides", true, undefined);
    };
    Object.assign(prototype, { override, overrides: override, clearOverrides: override });
  }

  /**
   * Overrides a flag in this browser: reads return `value` with the reason `override`, and listeners are notified of a change. The server
   * never counts these reads. `undefined` removes the override of that flag.
   *
   * @throws FlagwireError where the client was made without `overrides: localOverrides()`, or the value is not of the flag's kind
   */
  declare override: <N extends FlagName>(flag: N, value: FlagDefault<N> | undefined, duration?: OverrideDuration) => void;
  /** Returns the overrides that are set now. Throws as {@link override} does. */
  declare overrides: () => OverrideValues;
  /** Removes all overrides. Throws as {@link override} does. */
  declare clearOverrides: () => void;

  /** Returns all evaluations as they are now, in the form that {@link Options.bootstrap} takes. Counts no reads. */
  evaluations(): Evaluation[] {
    return this.values_.list_(this.#slots);
  }

  /** Returns the values of all flags as they are now. Counts no reads. */
  flags(): FlagValues {
    return this.values_.all_();
  }

  /** Returns how far the values can be trusted, since when and why. */
  state(): State {
    return this.#state;
  }

  // ---- waiting and listening ----

  /**
   * Resolves when the server's evaluations have arrived. Rejects with a {@link FlagwireError} when they will not arrive, because
   * the key was refused or the client was closed, or have not arrived after `timeoutMs`.
   *
   * @param timeoutMs milliseconds; for ever by default
   */
  ready(timeoutMs?: number): Promise<void> {
    return this.#wait(0, timeoutMs);
  }

  /** Calls `listener` at each event of that name. Returns a function that removes the listener. */
  on<E extends EventName>(event: E, listener: (payload: EventPayloads[E]) => void): Unsubscribe {
    return this.#listeners.add_(event, listener);
  }

  /**
   * Removes a listener, or all listeners of an event where none is given. Without arguments it closes the client, as
   * `@harnessio/ff-javascript-client-sdk` does.
   */
  off<E extends EventName>(event?: E, listener?: (payload: EventPayloads[E]) => void): void {
    if (event === undefined) this.close();
    else this.#listeners.remove_(event, listener);
  }

  /** Calls `listener` when the value or variation of that flag changes. Returns a function that removes the listener. */
  onFlag<N extends FlagName>(flag: N, listener: (value: FlagContent<N> | undefined, change: Change<FlagContent<N>>) => void): Unsubscribe;
  /** Does the same for a listener that takes any JSON. */
  onFlag(flag: FlagName, listener: (value: Json | undefined, change: Change) => void): Unsubscribe;
  onFlag(flag: FlagName, listener: (value: never, change: Change<never>) => void): Unsubscribe {
    return this.#flagListeners.add_(flag, (change: Change) => listener(change.value as never, change as never));
  }

  // ---- acting ----

  /**
   * Switches to another target. The values of the old one stay until those of the new one arrive; then the promise resolves. It
   * rejects as that of {@link ready} does; after `timeoutMs` the client goes on trying. Where the target cannot be sent, it
   * rejects at once, and nothing is switched.
   *
   * @param timeoutMs milliseconds; for ever by default
   */
  async identify(target: Target, timeoutMs?: number): Promise<void> {
    const copy = copyTarget(target);
    // A client that has stopped after a second internal error has no core that could try again.
    if (this.#core || !this.#restarted) this.#refused = undefined;
    const switches = ++this.#switches;
    this.#call(Input.IDENTIFY, copy);
    // There is no core yet, or it trapped in this call. The next one starts with this target.
    if (!this.#core) this.values_.setTarget_(copy);
    return this.#wait(switches, timeoutMs);
  }

  /** Fetches all evaluations now, for pages that know of a change before the client does. */
  refreshEvaluations(): void {
    this.#call(Input.REFRESH);
  }

  /** Stores evaluations that the page has from elsewhere; newer ones of the server overwrite them. */
  setEvaluations(evaluations: readonly Evaluation[]): void {
    const list = this.#evaluations("setEvaluations", evaluations);
    if (!list.length || this.#closed()) return;
    if (this.#core) this.#call(Input.SET, list);
    else this.#preset(list);
  }

  /**
   * Lets `middleware` change every request before it is sent. It replaces an earlier middleware. Call it right after
   * {@link initialize}: then sign-in has not been sent yet, and a `streamTransport` that is left to the client is `fetch`, because
   * the middleware cannot change the request of a native `EventSource`.
   */
  registerAPIRequestMiddleware(middleware: APIRequestMiddleware): void {
    this.#wire.middleware_ = middleware;
  }

  /** Posts the counts and writes the cache now, without waiting for their timers. */
  flush(): void {
    this.#call(Input.FLUSH);
  }

  /** Closes the client: no socket, timer or listener is left. The counts are posted. It may be called more than once. */
  close(): void {
    if (this.#closed()) return;
    this.#call(Input.CLOSE);
    // There is no core, or a listener that the core calls is running: the core would report the end only after that has returned.
    if (!this.#closed()) {
      this.#emit(Event.STOPPED);
      this.#setState("closed");
    }
    this.#release();
  }

  // ---- within ----

  async #start(): Promise<void> {
    if (TESTING) return this.#run(testCore);
    if (!this.#restarted) {
      // Signing in waits for a microtask, because middleware may be registered right after the construction. It is sent before the
      // module is loaded, because signing in from another origin takes two requests, one after the other.
      await undefined;
      if (!this.#closed()) this.#wire.signInEarly_();
    }
    for (let attempts = 0; !this.#closed(); attempts++) {
      try {
        const core = await loadCore(this.#options.wasm, this.#restarted, (why) => this.#log("warn", describe("javascript-build", why)));
        if (!this.#closed()) this.#run(core);
        return;
      } catch (error) {
        if (attempts === 0) {
          const failure = fault("load", false, error, (error as Error).message);
          this.#log("error", failure.message.slice(10));
          this.#emit(Event.ERROR, failure);
        }
        await new Promise<void>((resolve) => (this.#timer = later(resolve, Math.min(1000 * 2 ** attempts, 60_000))));
      }
    }
  }

  #run(core: Core): void {
    const numbers = [...this.#numbers, +(this.values_.slots_.size > 0)];
    // The middleware cannot change the request of a native EventSource, and not every environment has one.
    if ((this.#wire.middleware_ || !attempt(() => EventSource)) && !this.#options.streamTransport) numbers[OptionPlace.TRANSPORT] = StreamTransport.FETCH;
    this.values_.begin_();
    try {
      this.#number = core.start_(this.#host(), this.#wire, this.values_, numbers, Math.random());
      this.#core = core;
      this.#before = this.#switches;
    } catch (error) {
      this.#trapped(error);
      return;
    }
    for (const name of PAGE_EVENTS) attempt(() => globalThis.addEventListener(name, this.#page));
    this.#call(Input.START);
  }

  /** Passes an input to the core. If the core traps, the values stay and a new core is started, once. */
  #call = (...[input, detail, id, status = (detail as Uint8Array | undefined)?.length, ...reply]: Parameters<Hear>): void => {
    try {
      this.#core?.call_(this.#number, input, detail, id, status, ...reply);
    } catch (error) {
      this.#trapped(error);
    }
  };

  #trapped(error: unknown): void {
    this.#group?.leave_();
    this.#letGo();
    if (this.#closed()) return;
    const failure = fault("internal", this.#restarted, error, error);
    const { status } = this.#state;
    this.#emit(Event.ERROR, failure);
    this.#setState(status === "ready" ? "stale" : status, "internal");
    if (this.#restarted) return this.#refuse(failure);
    this.#restarted = true;
    void this.#start();
  }

  #page = (event: { type: string; persisted?: boolean }): void => {
    const { type } = event;
    if (type === "online") this.#call(Input.ONLINE);
    else if (type === "pagehide") this.#call(Input.LEFT);
    else if (type !== "pageshow") this.#call(attempt(() => document.hidden) ? Input.HIDDEN : Input.VISIBLE);
    else if (event.persisted) this.#call(Input.RESTORED);
  };

  /** Returns the functions by which the core calls the page. */
  #host(): Host {
    return {
      emit_: (event, number, detail) => {
        if (event === Emitted.CHANGED) this.changed_(detail as Changes);
        else if (event === Emitted.IDENTIFIED) this.#identified(this.#before + number);
        else if (event === Emitted.STATE) this.#setState(STATUSES[number >> StateNumber.REASON_BITS]!, REASONS[number & StateNumber.REASON_MASK]);
        else if (event === Emitted.SAVE) void this.#save(detail as Saved);
        else {
          if (event === Emitted.READY) this.#identified(this.#before);
          const name = EVENTS[event]!;
          // The payload of these two events is made only for a listener, because there may be ten thousand values.
          const heard = this.#options.debug || this.#listeners.has_(name);
          this.#emit(name, !heard ? undefined : event === Emitted.READY ? this.flags() : event === Emitted.FLAGS_LOADED ? this.evaluations() : undefined);
        }
      },
      fail_: (kind, cause, final) => {
        const name = EVENTS[FIRST_ERROR + kind]!;
        const code = CODES[cause] ?? (cause < 500 ? "status" : "server");
        const status = cause > Cause.MALFORMED ? cause : undefined;
        const { thrown_, words_ } = this.#wire;
        const thrown = cause === Cause.NETWORK ? thrown_ : undefined;
        const error = new FlagwireError(describe(code, name, this.#wire.address_(kind), status, status ? words_ : undefined, thrown), code, status, !!final, thrown);
        if (final) this.#refuse(error);
        // A page cannot do without signing in and the list, so a failure of these is logged, although it is tried again.
        else if (kind <= ErrorKind.FETCH_FLAGS) this.#once(code + name, error.message.slice(10));
        this.#fail(name, error);
      },
      join_: (group) => (this.#group = new Group(group, (input, text = "") => this.#call(input, encode(text)))),
      tabs_: (action, bytes) => {
        if (action === TabAction.LEAVE) this.#group?.leave_();
        else if (action === TabAction.STEAL) void this.#group?.lead_(true);
        else this.#group?.post_(action - TabAction.POST, decode(bytes));
      },
      arm_: (delayMs) => {
        cancel(this.#timer);
        if (delayMs >= 0) this.#timer = later(() => this.#call(Input.TICK), delayMs);
      },
    };
  }

  /** @internal Notifies listeners of changes; `flagwire/overrides` calls this, too. */
  changed_(changes: Changes): void {
    const all = this.#listeners.has_(Event.CHANGED);
    for (const change of changes) {
      const flag = typeof change === "string" ? change : change.evaluation_.flag;
      const one = this.#flagListeners.has_(flag);
      if (!all && !one) continue; // ten thousand flags arrive at once at the start
      // What is served of a flag that is overridden changes no read.
      const slot = this.#slots.get(flag);
      if (slot?.reason_ && slot !== change) continue;
      const payload = changeOf(change);
      if (all) this.#emit(Event.CHANGED, payload);
      if (one) this.#flagListeners.tell_(flag, payload);
    }
  }

  #emit(name: string, payload?: unknown): void {
    if (this.#options.debug) this.#log("debug", name, payload ?? "");
    this.#listeners.tell_(name, payload);
  }

  /** Reports an error by its own event and by `error`. A failed post of counts is reported by its own event only. */
  #fail(name: EventName, error: FlagwireError): void {
    this.#emit(name, error);
    if (name !== Event.ERROR_METRICS) this.#emit(Event.ERROR, error);
  }

  /** Stops for good because of an error, such as a wrong key. */
  #refuse(error: FlagwireError): void {
    this.#refused = error;
    this.#log("error", error.message.slice(10));
    this.#settle(error);
  }

  #setState(status: Status, reason?: Reason): void {
    this.#state = { status, since: Date.now(), ...(reason && { reason }) };
    this.#emit(Event.STATE, this.#state);
  }

  #identified(switches: number): void {
    this.#complete = switches;
    this.#settle();
  }

  #closed(): boolean {
    return this.#state.status === "closed";
  }

  /** Logs a warning, once for each cause. */
  #once(what: string, text: string): void {
    if (!this.#said.has(what)) this.#log("warn", text);
    this.#said.add(what);
  }

  #fallBack<T>(flag: string, defaultValue: T): Widen<T> {
    if (TESTING) missed(this.#number, flag);
    // A read never throws, whatever its arguments are.
    if (this.#options.debug) attempt(() => this.#explain(flag, defaultValue));
    if (this.#listeners.has_(Event.ERROR_DEFAULT_VARIATION_RETURNED)) {
      this.#emit(Event.ERROR_DEFAULT_VARIATION_RETURNED, { flag, defaultVariation: defaultValue });
    }
    return defaultValue as Widen<T>;
  }

  /** Logs why a read returned the default, once the server's flags have arrived and unless the client is closed. */
  #explain(flag: string, defaultValue: unknown): void {
    flag = String(flag);
    const slot = this.#slots.get(flag);
    if (!slot && (this.#complete < 0 || this.#closed())) return;
    const code = slot ? (DEVELOPMENT && isNone(slot) ? "wrong-value" : "wrong-type") : "unknown-flag";
    this.#once(code + flag, DEVELOPMENT ? describe(code, flag, slot, defaultValue, this.#slots.keys()) : describe(code, flag));
  }

  #wait(switches: number, timeoutMs?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: Timer;
      const settle = (error?: FlagwireError): void => {
        const complete = this.#complete >= switches;
        if (!complete && !error) return;
        cancel(timer);
        this.#waiters.delete(settle);
        complete ? resolve() : reject(error!);
      };
      this.#waiters.add(settle);
      if (timeoutMs != null) timer = later(() => settle(fault("timeout", false, undefined, timeoutMs)), timeoutMs);
      settle(this.#refused ?? (this.#closed() ? fault("closed", true, undefined) : undefined));
    });
  }

  #settle(error?: FlagwireError): void {
    for (const settle of this.#waiters) settle(error);
  }

  #loadCache(): void {
    if (!this.#options.cache) return;
    const target = this.values_.target_;
    const found = async (list: Evaluation[]) => {
      // An asynchronous storage may answer after the server, or after a switch of target.
      if (this.#complete >= 0 || this.#closed() || target !== this.values_.target_) return;
      this.#preset(list);
      await undefined;
      this.#emit(Event.CACHE_LOADED, list);
    };
    const failed = async (error: unknown) => {
      await undefined;
      this.#cacheFailed(error);
    };
    try {
      void readCache(this.#place(target), found)?.catch(failed);
    } catch (error) {
      void failed(error);
    }
  }

  async #save([target, list]: Saved): Promise<void> {
    try {
      await writeCache(this.#place(target), list);
    } catch (error) {
      this.#cacheFailed(error);
    }
  }

  #place(target: Target): Place {
    return placeOf(this.#options.cache, this.#wire.address_(ErrorKind.AUTH), this.#apiKey, target);
  }

  #cacheFailed(error: unknown): void {
    this.#fail(Event.ERROR_CACHE, fault("cache", false, error, error));
  }

  /** Returns the valid evaluations of a list, which comes from the application and may be anything. */
  #evaluations(what: string, given: unknown = []): Evaluation[] {
    const list = evaluationsIn(given);
    if (DEVELOPMENT && list.length !== (given as unknown[] | null)?.length) this.#once(what, describe("evaluations", what));
    return list;
  }

  /** Stores values that were there before the first answer of the server. */
  #preset(list: Evaluation[]): void {
    const changes = this.values_.merge_(list, 0);
    if (!changes) return;
    if (this.#state.status === "initializing") this.#setState("cached");
    this.changed_(changes);
  }

  /** Drops the core, and ends its requests, streams and timers. */
  #letGo(): void {
    this.#core = undefined;
    cancel(this.#timer);
    this.#wire.endAll_();
  }

  #release(): void {
    this.#letGo();
    for (const name of PAGE_EVENTS) attempt(() => globalThis.removeEventListener(name, this.#page));
    this.#settle(fault("closed", true, undefined));
    this.#slots.clear();
    this.#listeners.remove_();
    this.#flagListeners.remove_();
  }
}
