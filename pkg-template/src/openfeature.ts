/**
 * A provider for OpenFeature's web SDK.
 *
 * ```ts
 * await OpenFeature.setProviderAndWait(new FlagwireWebProvider("api-key"), { targetingKey: "user-42", plan: "gold" });
 * OpenFeature.getClient().getBooleanValue("dark-mode", false);
 * ```
 *
 * @packageDocumentation
 */

import {
  ErrorCode,
  GeneralError,
  InvalidContextError,
  OpenFeatureEventEmitter,
  ProviderEvents,
  ProviderFatalError,
  ProviderNotReadyError,
  StandardResolutionReasons,
  TargetingKeyMissingError,
  type EvaluationContext,
  type JsonValue,
  type OpenFeatureError,
  type Provider,
  type ResolutionDetails,
  type TrackingEventDetails,
} from "@openfeature/web-sdk";
import { initialize, FlagwireError } from "./index";
import type { Client } from "./client";
import type { Options, Target } from "./types";
import { haveValues, limitOf, within } from "./waiting";

const READY_TIMEOUT_MS = 5_000;
/** The codes of final errors that a different context may not cause. Any other final error concerns the key or the server. */
const OF_THE_TARGET = ["missing-target", "invalid-target", "bad-request", "too-large"];

/** Options of {@link FlagwireWebProvider}. */
export interface FlagwireWebProviderOptions extends Options {
  /**
   * The time in milliseconds after which starting, or changing the context, fails if there are no values for the context yet. The
   * provider then has the status ERROR, keeps trying, and becomes ready when values arrive.
   * @default 5000
   */
  readyTimeout?: number;
  /**
   * Receives the application's tracking events, to pass them to its analytics; the protocol has no place for them.
   * @default none
   */
  onTrack?: (event: string, context: EvaluationContext, details: TrackingEventDetails) => void;
}

type Status = "ready" | "stale" | "error" | "fatal";

/**
 * A provider that serves OpenFeature from Flagwire. The context's `targetingKey` is the target's identifier; all else in the context is
 * an attribute.
 *
 * - You may set the provider before there is a `targetingKey`: its status is ERROR and defaults are served until a context has one.
 * - Starting and changing the context end after `readyTimeout` at the latest. Values from `bootstrap` (for the first context) or from the
 *   cache are enough to be ready; if the server does not answer in that time, the provider is stale.
 * - While the context changes, the previous context's values are served as STALE. If the new values do not arrive in time, defaults are
 *   served, or the previous values if only the attributes differ. A context without `targetingKey` has defaults at once.
 * - Of several changes in quick succession the last wins, and all of them end with it.
 * - After a refused key the status is FATAL until the provider is set again.
 * - The reason of a value is CACHED or STALE if it is that, else UNKNOWN: the server sends a target's value without the reason.
 */
export class FlagwireWebProvider implements Provider {
  readonly metadata = { name: "flagwire" } as const;
  readonly runsOn = "client";
  /** The provider has one target at a time. */
  readonly domainScoped = true;
  readonly events = new OpenFeatureEventEmitter();
  readonly #apiKey: string;
  readonly #options: FlagwireWebProviderOptions;
  readonly #limitMs: number;
  #client: Client | undefined;
  /** Whether `bootstrap` was used, which belongs to one target. */
  #started = false;
  /** The target that was requested, and the target whose values the client has. They differ while the context changes. */
  #wanted: string | undefined;
  #owner: string | undefined;
  /** The error because of which there are no values. */
  #problem: OpenFeatureError | undefined;
  /** Whether the values are from the cache or `bootstrap` and the server has not answered in time. */
  #unheard = false;
  /** Counts starts and closings, so that a late callback knows that it is out of date. */
  #life = 0;
  /** The promise of values for the latest context. */
  #latest: Promise<void> | undefined;
  /** The number of pending calls of OpenFeature, which sets the status from their outcome itself. */
  #pending = 0;
  /** The status that OpenFeature was given last, valid while no call is pending. */
  #told: Status | undefined;
  #changed: Set<string> | undefined;

  /** @param apiKey a client key of the environment */
  constructor(apiKey: string, options: FlagwireWebProviderOptions = {}) {
    this.#apiKey = apiKey;
    this.#options = options;
    this.#limitMs = limitOf(options.readyTimeout, READY_TIMEOUT_MS);
  }

  /** The present client. There is none while the context has no `targetingKey`, and a new one afterwards. */
  get client(): Client | undefined {
    return this.#client;
  }

  initialize(context: EvaluationContext = {}): Promise<void> {
    this.#end();
    return this.#adopt(context, true);
  }

  onContextChange(_: EvaluationContext, context: EvaluationContext): Promise<void> {
    return this.#adopt(context, false);
  }

  async onClose(): Promise<void> {
    this.#end();
  }

  resolveBooleanEvaluation(flag: string, defaultValue: boolean): ResolutionDetails<boolean> {
    return this.#resolve(flag, defaultValue);
  }

  resolveStringEvaluation(flag: string, defaultValue: string): ResolutionDetails<string> {
    return this.#resolve(flag, defaultValue);
  }

  resolveNumberEvaluation(flag: string, defaultValue: number): ResolutionDetails<number> {
    return this.#resolve(flag, defaultValue);
  }

  resolveObjectEvaluation<T extends JsonValue>(flag: string, defaultValue: T): ResolutionDetails<T> {
    return this.#resolve(flag, defaultValue);
  }

  track(event: string, context: EvaluationContext, details: TrackingEventDetails): void {
    this.#options.onTrack?.(event, context, details);
  }

  #resolve<T>(flag: string, defaultValue: T): ResolutionDetails<T> {
    const failed = (errorCode: ErrorCode, errorMessage: string) => ({ value: defaultValue, reason: StandardResolutionReasons.ERROR, errorCode, errorMessage });
    const client = this.#client;
    if (this.#problem) return failed(this.#problem.code, this.#problem.message);
    if (!client) return failed(ErrorCode.PROVIDER_NOT_READY, "the provider is not initialised");
    const { value, variation, reason, isDefaultValue } = client.variationDetail(flag as never, defaultValue as never);
    // The client would accept any value for a default of null, which OpenFeature treats as an object.
    if (!isDefaultValue && typeof value === typeof defaultValue) return { value: value as T, ...(variation !== undefined && { variant: variation }), reason: this.#reason() };
    if (reason !== "not-found") return failed(ErrorCode.TYPE_MISMATCH, `the value of ${flag} is no ${typeof defaultValue}`);
    return client.state().status === "initializing"
      ? failed(ErrorCode.PROVIDER_NOT_READY, "there are no values yet")
      : failed(ErrorCode.FLAG_NOT_FOUND, `there is no flag ${flag}`);
  }

  /** Returns the reason for OpenFeature. The server does not send the rule by which it evaluated. */
  #reason(): string {
    const status = this.#client?.state().status;
    if (status === "cached") return StandardResolutionReasons.CACHED;
    return status === "stale" || this.#owner !== this.#wanted ? StandardResolutionReasons.STALE : StandardResolutionReasons.UNKNOWN;
  }

  /** Requests values for a context. The promise settles after the limit at the latest. */
  #adopt(context: EvaluationContext, starting: boolean): Promise<void> {
    const life = this.#life;
    this.#pending++;
    const work = (this.#latest = this.#reconcile(context));
    const isLatest = () => work === this.#latest;
    // The request may succeed after the limit, and its values are then served all the same.
    work.then(
      () => isLatest() && this.#serve(undefined),
      (error: OpenFeatureError) => isLatest() && this.#fail(error),
    );
    const settled = within(this.#outcome(), this.#limitMs).then((inTime) => {
      if (inTime) return;
      const late = `there are no values for this context after ${this.#limitMs} ms; it is tried further`;
      // The previous context's values may belong to another user.
      if (life === this.#life && this.#owner !== this.#wanted) this.#serve(new ProviderNotReadyError(late));
      throw new GeneralError(late);
    });
    const over = (told: Status) => {
      if (life !== this.#life) return;
      this.#pending--;
      this.#told = told;
      this.#tell();
    };
    // OpenFeature sets its status from the outcome as soon as this promise settles, so a status that is reported afterwards comes later.
    queueMicrotask(() => void settled.then(() => over("ready"), (error: unknown) => over(starting && error instanceof ProviderFatalError ? "fatal" : "error")));
    return settled;
  }

  /** Settles as the request for the latest context does, because earlier ones no longer matter. */
  async #outcome(): Promise<void> {
    for (let latest: unknown; latest !== this.#latest;) {
      latest = this.#latest;
      try {
        await this.#latest;
      } catch (error) {
        if (latest === this.#latest) throw error;
      }
    }
    if (!this.#latest) throw new GeneralError("the provider is closed");
  }

  /** Resolves when there are values for the context. Rejects with an error of OpenFeature if there will be none. */
  async #reconcile(context: EvaluationContext): Promise<void> {
    if (this.#problem instanceof ProviderFatalError) throw this.#problem;
    try {
      const target = targetOf(context);
      this.#wanted = target.identifier;
      if (this.#client) await this.#client.identify(target);
      else await haveValues(this.#start(target));
    } catch (thrown) {
      const error = errorOf(thrown);
      // This happens at once, so that values of a user who has logged out are not served.
      if (error instanceof TargetingKeyMissingError) this.#fail(error);
      throw error;
    }
  }

  #start(target: Target): Client {
    const client = initialize(this.#apiKey, target, this.#started ? { ...this.#options, bootstrap: [] } : this.#options);
    this.#client = client;
    this.#started = true;
    this.#problem = undefined;
    client.on("changed", ({ flag }) => {
      // The first values, and those of a new context, are not a change of configuration.
      if (!this.#pending) this.#tellChanged([flag]);
    });
    client.on("state", () => this.#tell());
    client.on("auth error", (error) => {
      // This also happens long after the provider was ready, if the key is revoked.
      if (error.final && client === this.#client) this.#fail(errorOf(error));
    });
    this.#unheard = false;
    const heard = (inTime: boolean) => {
      if (client !== this.#client || this.#unheard === !inTime) return;
      this.#unheard = !inTime;
      this.#tell();
    };
    client.ready().then(() => heard(true), () => {});
    within(client.ready(), this.#limitMs).then(heard, () => {});
    return client;
  }

  /** Handles that there will be no values for the context. */
  #fail(error: OpenFeatureError): void {
    if (this.#problem instanceof ProviderFatalError) return;
    this.#serve(error);
    if (error instanceof ProviderFatalError) return; // the client has stopped, and says why
    // The client would continue to serve the previous target's values.
    this.#client?.close();
    this.#client = this.#owner = undefined;
  }

  /** Serves the context's values, or defaults, from now on. */
  #serve(problem: OpenFeatureError | undefined): void {
    const before = this.#problem;
    this.#problem = problem;
    if (!problem) this.#owner = this.#wanted;
    // All flags change at once. OpenFeature announces a new context's values itself, but no event after an error.
    if (problem ? !before : before && !this.#pending) this.#tellChanged(Object.keys(this.#client?.flags() ?? {}));
    this.#tell();
  }

  #end(): void {
    this.#life++;
    this.#client?.close();
    this.#client = this.#latest = undefined;
    this.#told = this.#problem = undefined;
    this.#owner = this.#wanted = this.#changed = undefined;
    this.#pending = 0;
  }

  #tellChanged(flags: readonly string[]): void {
    if (!flags.length) return;
    if (!this.#changed) {
      const changed = (this.#changed = new Set<string>());
      setTimeout(() => {
        if (this.#changed !== changed) return; // closed meanwhile
        this.#changed = undefined;
        this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: [...changed] });
      });
    }
    for (const flag of flags) this.#changed.add(flag);
  }

  /** Reports the status to OpenFeature if it differs from the last one. */
  #tell(): void {
    const status = this.#status();
    if (this.#pending || !this.#told || !status || this.#told === status) return;
    this.#told = status;
    const message = this.#problem?.message ?? "the values may be out of date";
    if (status === "ready") this.events.emit(ProviderEvents.Ready);
    else if (status === "stale") this.events.emit(ProviderEvents.Stale, { message });
    else this.events.emit(ProviderEvents.Error, { message, errorCode: this.#problem!.code });
  }

  /** Returns the status to report, or nothing if it stays the same. */
  #status(): Status | undefined {
    if (this.#problem) return this.#problem instanceof ProviderFatalError ? "fatal" : "error";
    const { status, reason } = this.#client?.state() ?? {};
    if (status === "ready") return "ready";
    if (status === "cached") return this.#unheard ? "stale" : undefined;
    return status === "stale" && reason !== "hidden" ? "stale" : undefined;
  }
}

function targetOf({ targetingKey, name, anonymous, ...attributes }: EvaluationContext): Target {
  if (!targetingKey) throw new TargetingKeyMissingError("the context needs a targetingKey: who flags are served to");
  return {
    identifier: targetingKey,
    ...(typeof name === "string" && { name }),
    ...(typeof anonymous === "boolean" && { anonymous }),
    attributes,
  };
}

function errorOf(error: unknown): OpenFeatureError {
  if (!(error instanceof FlagwireError)) return error as OpenFeatureError;
  const { message, code, final } = error;
  if (OF_THE_TARGET.includes(code)) return new InvalidContextError(message, { cause: error });
  return final && code !== "closed" ? new ProviderFatalError(message, { cause: error }) : new GeneralError(message, { cause: error });
}
