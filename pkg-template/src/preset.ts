// Rendering on a server creates no client. It reads the evaluations that the page starts with, so that the page hydrates with the
// same values.

import { valueOf } from "./index";
import type { Client } from "./client";
import { record } from "./record";
import type { Evaluation, Json, Options, State, Variation } from "./types";
import { evaluationsIn } from "./values";

const NOWHERE: State = { status: "initializing", since: 0 };
const BOOTSTRAPPED: State = { status: "cached", since: 0 };

/** Returns the evaluations of a page that a client would accept. */
export function presets(bootstrap: readonly Evaluation[] | undefined): readonly Evaluation[] {
  return evaluationsIn(bootstrap);
}

/** Returns the state that goes with a page's first values. */
export function presetState(bootstrap: readonly Evaluation[]): State {
  return bootstrap.length ? BOOTSTRAPPED : NOWHERE;
}

/** Reads a flag from a page's first values. */
export function preset(bootstrap: readonly Evaluation[], flag: string, defaultValue: unknown): Variation<unknown> {
  const evaluation = bootstrap.find((evaluation) => evaluation.flag === flag);
  if (!evaluation) return { value: defaultValue, reason: "not-found", isDefaultValue: true };
  const value = valueOf(evaluation);
  if (defaultValue != null && typeof value !== typeof defaultValue) return { value: defaultValue, reason: "wrong-type", isDefaultValue: true };
  return { value, variation: evaluation.identifier, reason: "evaluated", isDefaultValue: false };
}

/** Returns the values of all flags that a page starts with. */
export function presetFlags(bootstrap: readonly Evaluation[]): { readonly [flag: string]: Json } {
  return record(bootstrap.map((evaluation) => [evaluation.flag, valueOf(evaluation)]));
}

/** Is `true` if this code renders a page on a server. */
export function isServer(): boolean {
  return typeof window === "undefined";
}

/** Replaces a client while rendering on a server: it has the page's first values, makes no requests, and needs no closing. */
export function renderingClient(options: Options | undefined): Client {
  const bootstrap = presets(options?.bootstrap);
  const detail = (flag: string, defaultValue: unknown) => preset(bootstrap, flag, defaultValue);
  const read = (flag: string, defaultValue: unknown) => detail(flag, defaultValue).value;
  const typed = ["bool", "string", "number", "json"].flatMap((type) => [
    [`${type}Variation`, read],
    [`${type}VariationDetail`, detail],
  ]);
  const nothing = () => {};
  const listen = () => nothing;
  const settled = () => Promise.resolve();
  return {
    ...Object.fromEntries(typed),
    variation: read,
    variationDetail: detail,
    evaluations: () => [...bootstrap],
    flags: () => presetFlags(bootstrap),
    state: () => presetState(bootstrap),
    on: listen,
    onFlag: listen,
    off: nothing,
    ready: settled,
    identify: settled,
    refreshEvaluations: nothing,
    setEvaluations: nothing,
    override: nothing,
    overrides: () => ({}),
    clearOverrides: nothing,
    registerAPIRequestMiddleware: nothing,
    flush: nothing,
    close: nothing,
  } satisfies Record<Exclude<keyof Client, `${string}_`>, unknown> as unknown as Client;
}
