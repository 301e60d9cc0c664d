// The values of flags, and the counts of their reads. The core decides what is stored. Reads do not ask it, because passing a flag's
// name into WebAssembly takes ten times as long as a lookup in JavaScript.

import { encode } from "./guard";
import { record } from "./record";
import { wellFormed } from "./target";
import type { Change, Evaluation, Json, Target } from "./types";

/** The largest body of a metrics post in bytes: browsers refuse `keepalive` requests with more than 64 KiB under way. */
const MAX_METRICS_BYTES = 60_000;
/** The largest number of counters that are kept while posting fails. Reads of further variations are not counted. */
const MAX_COUNTERS = 10_000;

/** The types of values as numbers, because comparing numbers is faster than comparing results of `typeof`. */
export const enum ValueType {
  /** An object, a list, or null. */
  OBJECT = -1,
  BOOLEAN = 0,
  STRING = 1,
  NUMBER = 2,
}

/** The result of `typeof` for each type, by number. */
const TYPES = ["boolean", "string", "number"];

/** The slot of one flag: its evaluation, its converted value, and the number of reads. */
export class Slot {
  /** Is set in the slots of overrides only. */
  declare reason_?: "override";
  n = 0;
  /** The moment, in the core's order, at which this evaluation was known to hold. */
  asOf_ = 0;
  readonly value_: Json;
  readonly type_: ValueType;

  constructor(readonly evaluation_: Evaluation) {
    this.value_ = convert(evaluation_);
    this.type_ = TYPES.indexOf(typeof this.value_);
  }
}

/** A change that storing made: the flag's new slot, or its name if it was removed. */
export type Changes = (Slot | string)[];

interface Count {
  flag_: string;
  variation_: string;
  target_: string;
  n: number;
}

/** The values of one client. */
export class Values {
  readonly slots_ = new Map<string, Slot>();
  /** What reads find: the same map, or the view of it that `flagwire/overrides` puts in its place. Only the served values are counted and cached. */
  view_ = this.slots_;
  /** The moments at which flags were removed, kept while older replies may still arrive. */
  readonly #gone = new Map<string, number>();
  /** The counts of removed slots, of earlier targets, and of posts that failed. */
  #counts = new Map<string, Count>();
  #aside: Count[] = [];

  constructor(public target_: Target) {}

  /** Stores the complete list of evaluations as of a moment. Evaluations of a later moment stay. */
  replace_(list: Evaluation[], asOf: number): Changes | undefined {
    const changes = this.merge_(list, asOf) ?? [];
    // Each evaluation in the list is now known as of that moment or a later one.
    for (const [flag, slot] of this.slots_) if (slot.asOf_ < asOf) this.#drop(flag, slot, changes);
    return some(changes);
  }

  /** Stores some evaluations and leaves the other flags unchanged. */
  merge_(list: readonly Evaluation[], asOf: number): Changes | undefined {
    const changes: Changes = [];
    for (const evaluation of list) this.#store(evaluation, asOf, changes);
    return some(changes);
  }

  remove_(flag: string, asOf: number): Changes | undefined {
    const slot = this.slots_.get(flag);
    if (slot && slot.asOf_ > asOf) return undefined;
    this.#gone.set(flag, asOf);
    const changes: Changes = [];
    if (slot) this.#drop(flag, slot, changes);
    return some(changes);
  }

  /** Forgets the moments of removals, because no older reply can arrive any more. */
  settle_(): void {
    this.#gone.clear();
  }

  /** Prepares for a new core, whose order of moments starts again: everything it stores counts as newer. */
  begin_(): void {
    this.settle_();
    for (const slot of this.slots_.values()) slot.asOf_ = 0;
  }

  /** Switches to a new target, to which all further reads belong. */
  setTarget_(target: Target): void {
    for (const slot of this.slots_.values()) this.#retire(slot);
    this.target_ = target;
  }

  list_(slots = this.slots_): Evaluation[] {
    return [...slots.values()].map((slot) => slot.evaluation_);
  }

  all_(): { [flag: string]: Json } {
    return record([...this.view_].map(([flag, slot]) => [flag, slot.value_]));
  }

  /** Returns counts as the body of a metrics post, and keeps them as pending. Counts that do not fit stay for the next post. */
  takeCounts_(version: string): string | undefined {
    for (const slot of this.slots_.values()) this.#retire(slot);
    const timestamp = Date.now();
    const entries: string[] = [];
    let bytes = 20;
    this.#aside = [];
    for (const [key, count] of this.#counts) {
      const attributes = Object.entries({
        featureIdentifier: count.flag_,
        featureName: count.flag_,
        variationIdentifier: count.variation_,
        target: count.target_,
        SDK_NAME: "Flagwire",
        SDK_LANGUAGE: "JavaScript",
        SDK_TYPE: "client",
        SDK_VERSION: version,
      }).map(([key, value]) => ({ key, value }));
      const entry = wellFormed(JSON.stringify({ timestamp, count: count.n, metricsType: "FFMETRICS", attributes }));
      bytes += 1 + encode(entry).length;
      if (bytes > MAX_METRICS_BYTES && entries.length) break;
      entries.push(entry);
      this.#aside.push(count);
      this.#counts.delete(key);
    }
    return entries.length ? `{"metricsData":[${entries}]}` : undefined;
  }

  /** Drops the pending counts, because they arrived or never can; with `keep` they are added back instead. */
  settleCounts_(keep: boolean): void {
    if (keep) { for (const count of this.#aside) this.#count(count.flag_, count.variation_, count.target_, count.n); }
    this.#aside = [];
  }

  #store(evaluation: Evaluation, asOf: number, changes: Changes): void {
    const { flag } = evaluation;
    let slot = this.slots_.get(flag);
    if ((slot?.asOf_ ?? this.#gone.get(flag) ?? 0) > asOf) return;
    if (!slot || slot.evaluation_.identifier !== evaluation.identifier || !sameValue(slot, evaluation)) {
      if (slot) this.#retire(slot);
      this.slots_.set(flag, slot = new Slot(evaluation));
      changes.push(slot);
    }
    slot.asOf_ = asOf;
  }

  #drop(flag: string, slot: Slot, changes: Changes): void {
    this.#retire(slot);
    this.slots_.delete(flag);
    changes.push(flag);
  }

  #retire(slot: Slot): void {
    if (slot.n) this.#count(slot.evaluation_.flag, slot.evaluation_.identifier, this.target_.identifier, slot.n);
    slot.n = 0;
  }

  #count(flag: string, variation: string, target: string, n: number): void {
    const key = JSON.stringify([flag, variation, target]);
    const count = this.#counts.get(key);
    if (count) count.n += n;
    else if (this.#counts.size < MAX_COUNTERS) this.#counts.set(key, { flag_: flag, variation_: variation, target_: target, n });
  }
}

/** Returns the change in the form that listeners receive. */
export function changeOf(change: Slot | string): Change {
  return typeof change === "string"
    ? { flag: change, value: undefined, deleted: true }
    : { ...change.evaluation_, value: change.value_ };
}

/**
 * Returns the valid evaluations in a list; none if it is not a list. The empty text is a valid value. The variation's identifier is
 * optional in the protocol, and becomes the empty text if it is missing.
 */
export function evaluationsIn(list: unknown): Evaluation[] {
  if (!Array.isArray(list)) return [];
  return (list as (Evaluation | null)[]).flatMap((item) => {
    const texts = [item?.flag, item?.value, item?.kind, item?.identifier ?? ""];
    if (texts.some((text) => typeof text !== "string")) return [];
    return item!.identifier == null ? { ...item!, identifier: "" } : item!;
  });
}

/** Returns the list, or nothing if it is empty. */
export function some<T>(list: T[]): T[] | undefined {
  return list.length ? list : undefined;
}

/** Sorts a list by the flags' names, in place. */
export function sorted(list: Evaluation[]): Evaluation[] {
  return list.sort((one, other) => (one.flag < other.flag ? -1 : 1));
}

/**
 * Converts a value by its kind. JSON that does not parse stays text, and so does a number that is none: neither NaN nor infinity is
 * ever a value.
 */
export function convert({ kind, value }: Evaluation): Json {
  switch (kind.toLowerCase()) {
    case "boolean":
      return value.toLowerCase() === "true";
    case "int":
    case "number":
      return value.trim() && isFinite(+value) ? +value : value;
    case "json":
      try {
        // The reviver is called for inner values first, so that every object is frozen.
        return JSON.parse(value, (_, inner) => Object.freeze(inner)) as Json;
      } catch {
        return value;
      }
    default:
      return value;
  }
}

function sameValue(held: Slot, { kind, value }: Evaluation): boolean {
  const type = kind.toLowerCase();
  if (type !== held.evaluation_.kind.toLowerCase()) return false;
  if (value === held.evaluation_.value) return true;
  return type === "json" && same(held.value_, convert({ flag: "", identifier: "", kind, value }));
}

/** Returns whether two JSON values are equal, ignoring the order of keys. */
function same(one: unknown, other: unknown): boolean {
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return one === other;
  const keys = Object.keys(one);
  return (
    Array.isArray(one) === Array.isArray(other) &&
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && same(one[key as never], other[key as never]))
  );
}
