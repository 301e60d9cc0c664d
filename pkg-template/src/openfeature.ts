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
  OpenFeatureEventEmitter,
  ProviderEvents,
  ProviderFatalError,
  StandardResolutionReasons,
  TargetingKeyMissingError,
  type EvaluationContext,
  type JsonValue,
  type Provider,
  type ResolutionDetails,
  type TrackingEventDetails,
} from "@openfeature/web-sdk";
import { initialize, FlagwireError } from "./index";
import type { Client } from "./client";
import type { Options, State, Target } from "./types";

/** Options of {@link FlagwireWebProvider}. */
export interface FlagwireWebProviderOptions extends Options {
  /**
   * Milliseconds after which the provider is in error if the server has not answered. It goes on trying, and is ready when it has.
   * @default 30000
   */
  readyTimeout?: number;
  /**
   * Gets what the application tracks, to hand it on to its analytics: the protocol has no place for it.
   * @default nobody
   */
  onTrack?: (event: string, context: EvaluationContext, details: TrackingEventDetails) => void;
}

/** Serves OpenFeature from Flagwire. The context's `targetingKey` is the target's identifier, what else it has its attributes. */
export class FlagwireWebProvider implements Provider {
  readonly metadata = { name: "flagwire" } as const;
  readonly runsOn = "client";
  /** It has one target at a time. */
  readonly domainScoped = true;
  readonly events = new OpenFeatureEventEmitter();
  readonly #apiKey: string;
  readonly #options: FlagwireWebProviderOptions;
  #client: Client | undefined;
  /** What OpenFeature was told last; it tells of `initialize` and `onContextChange` itself. */
  #told: "ready" | "stale" | "error" | undefined;
  #changed: Set<string> | undefined;
  #switching = 0;

  /** @param apiKey a client key of the environment */
  constructor(apiKey: string, options: FlagwireWebProviderOptions = {}) {
    this.#apiKey = apiKey;
    this.#options = options;
  }

  /** The client at work, from `initialize` on. */
  get client(): Client | undefined {
    return this.#client;
  }

  async initialize(context: EvaluationContext = {}): Promise<void> {
    const target = targetOf(context);
    this.#client?.close();
    const client = (this.#client = initialize(this.#apiKey, target, this.#options));
    client.on("changed", ({ flag }) => this.#tellChange(flag));
    client.on("state", (state) => this.#tellState(state));
    client.on("auth error", (error) => {
      // Refused after it was ready: the key was revoked.
      if (error.final && this.#told) this.#tell("error", ProviderEvents.Error, { message: error.message, errorCode: ErrorCode.PROVIDER_FATAL });
    });
    try {
      await client.ready(this.#options.readyTimeout ?? 30_000);
      this.#told = "ready";
    } catch (error) {
      if (client !== this.#client) return;
      this.#told = "error";
      const { message, final } = error as FlagwireError;
      throw final ? new ProviderFatalError(message) : new GeneralError(message);
    }
  }

  async onContextChange(_: EvaluationContext, context: EvaluationContext): Promise<void> {
    const target = targetOf(context);
    this.#switching++;
    try {
      await this.#client?.identify(target);
    } finally {
      this.#switching--;
    }
  }

  async onClose(): Promise<void> {
    this.#told = undefined;
    this.#client?.close();
    this.#client = undefined;
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
    const client = this.#client;
    if (!client) return { value: defaultValue, reason: StandardResolutionReasons.ERROR, errorCode: ErrorCode.PROVIDER_NOT_READY, errorMessage: "the provider is not initialised" };
    const { value, variation, reason } = client.variationDetail(flag as never, defaultValue as never);
    // A default of null, which is an object here, fits any value there.
    const fits = typeof value === typeof defaultValue;
    if (reason === "evaluated" && fits) return { value: value as T, ...(variation !== undefined && { variant: variation }), reason: reasonOf(client.state()) };
    return {
      value: defaultValue,
      reason: StandardResolutionReasons.ERROR,
      ...(reason !== "not-found"
        ? { errorCode: ErrorCode.TYPE_MISMATCH, errorMessage: `the value of ${flag} is no ${typeof defaultValue}` }
        : { errorCode: ErrorCode.FLAG_NOT_FOUND, errorMessage: `there is no flag ${flag}` }),
    };
  }

  #tellChange(flag: string): void {
    // The first values, and those of another context, are no change of configuration.
    if (!this.#told || this.#switching) return;
    if (!this.#changed) {
      this.#changed = new Set();
      queueMicrotask(() => {
        const flagsChanged = [...this.#changed!];
        this.#changed = undefined;
        this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged });
      });
    }
    this.#changed.add(flag);
  }

  #tellState({ status, reason }: State): void {
    if (!this.#told) return;
    if (status === "ready") this.#tell("ready", ProviderEvents.Ready);
    else if (status === "stale" && reason !== "target" && reason !== "hidden") this.#tell("stale", ProviderEvents.Stale);
  }

  #tell(what: "ready" | "stale" | "error", event: ProviderEvents.Ready | ProviderEvents.Stale | ProviderEvents.Error, details?: { message: string; errorCode: ErrorCode }): void {
    if (this.#told === what) return;
    this.#told = what;
    this.events.emit(event, details);
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

/** The server evaluates for the target, and does not say by which rule. */
function reasonOf({ status }: State): string {
  if (status === "cached") return StandardResolutionReasons.CACHED;
  return status === "stale" ? StandardResolutionReasons.STALE : StandardResolutionReasons.TARGETING_MATCH;
}
