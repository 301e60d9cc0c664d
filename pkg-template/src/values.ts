// The values, and the counts of their reads. The core says what to store; a read must not ask it, because passing a flag's
// name into WebAssembly takes ten times as long as looking it up here.

import { encode } from "./guard";
import { record } from "./record";
import { wellFormed } from "./target";
import type { Change, Evaluation, Json, Target } from "./types";

/** The most bytes of one metrics post: browsers refuse `keepalive` bodies past 64 KiB in flight. */
const MAX_METRICS_BYTES = 60_000;
/** The most counters kept while they cannot be posted; reads of changed flags past that go uncounted. */
const MAX_COUNTERS = 10_000;

/** The types of values, with a number each: comparing numbers is quicker than comparing what `typeof` says. */
export const enum ValueType {
  /** An object, a list, or null. */
  OBJECT = -1,
  BOOLEAN = 0,
  STRING = 1,
  NUMBER = 2,
}

/** What `typeof` says of each, by number. */
const TYPES = ["boolean", "string", "number"];

/** One flag: its evaluation, its value converted once, and how often it was read. */
export class Slot {
  n = 0;
  /** The moment of the core's own order as of which the evaluation is known. */
  asOf_ = 0;
  readonly value_: Json;
  readonly type_: ValueType;

  constructor(readonly evaluation_: Evaluation) {
    this.value_ = convert(evaluation_);
    this.type_ = TYPES.indexOf(typeof this.value_);
  }
}

/** What storing altered: the flag's new slot, or its name where it is gone. */
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
  /** When flags were removed, until that cannot matter any more. */
  readonly #gone = new Map<string, number>();
  /** The counts of slots that are gone, of earlier targets, and of posts that failed. */
  #counts = new Map<string, Count>();
  #aside: Count[] = [];

  constructor(public target_: Target) {}

  /** Stores a list that is all there is, known as of then. What is known later stays. */
  replace_(list: Evaluation[], asOf: number): Changes | undefined {
    const changes = this.merge_(list, asOf) ?? [];
    // What was listed is now known as of then, or later.
    for (const [flag, slot] of this.slots_) if (slot.asOf_ < asOf) this.#drop(flag, slot, changes);
    return some(changes);
  }

  /** Stores evaluations and leaves the other flags alone. */
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

  /** Forgets when flags were removed, because nothing older than what is known now will come any more. */
  settle_(): void {
    this.#gone.clear();
  }

  /** Prepares for a core that begins, and with it another order: anything that it says is news. */
  begin_(): void {
    this.settle_();
    for (const slot of this.slots_.values()) slot.asOf_ = 0;
  }

  /** Makes all reads from now on the new target's. */
  setTarget_(target: Target): void {
    for (const slot of this.slots_.values()) this.#retire(slot);
    this.target_ = target;
  }

  list_(): Evaluation[] {
    return [...this.slots_.values()].map((slot) => slot.evaluation_);
  }

  all_(): { [flag: string]: Json } {
    return record([...this.slots_].map(([flag, slot]) => [flag, slot.value_]));
  }

  /** Takes counts as the body of a metrics post, and holds them as pending. What does not fit stays for the next. */
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

  /** Drops the pending counts, which arrived or can never arrive; with `keep` they are counted again. */
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

/** Returns what listeners get of a change. */
export function changeOf(change: Slot | string): Change {
  return typeof change === "string"
    ? { flag: change, value: undefined, deleted: true }
    : { ...change.evaluation_, value: change.value_ };
}

/**
 * The evaluations in a list; none where it is no list. The empty text is a legitimate value. The variation's identifier, which the
 * protocol leaves optional, is empty where it is missing.
 */
export function evaluationsIn(list: unknown): Evaluation[] {
  if (!Array.isArray(list)) return [];
  return (list as (Evaluation | null)[]).flatMap((item) => {
    const texts = [item?.flag, item?.value, item?.kind, item?.identifier ?? ""];
    if (texts.some((text) => typeof text !== "string")) return [];
    return item!.identifier == null ? { ...item!, identifier: "" } : item!;
  });
}

/** Returns the list, or nothing where it is empty. */
export function some<T>(list: T[]): T[] | undefined {
  return list.length ? list : undefined;
}

/** Sorts a list in place by the flags' names. */
export function sorted(list: Evaluation[]): Evaluation[] {
  return list.sort((one, other) => (one.flag < other.flag ? -1 : 1));
}

/**
 * The value as JavaScript has it. JSON that does not parse stays text, and so does what should be a number and is none: neither NaN nor
 * infinity is ever a value.
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
        // The reviver sees inner values first, so all of it is frozen.
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

/** Returns whether two JSON values are the same, whatever the order of their keys. */
function same(one: unknown, other: unknown): boolean {
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return one === other;
  const keys = Object.keys(one);
  return (
    Array.isArray(one) === Array.isArray(other) &&
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && same(one[key as never], other[key as never]))
  );
}
