/**
 * Overrides of flags, for one browser: to see a page as it is with another value, without changing the flag for anybody else.
 *
 * ```ts
 * const client = initialize(key, target, { overrides: localOverrides() });
 * client.override("dark-mode", true); // listeners and components are notified, as by the server
 * ```
 *
 * Reads of an overridden flag have the reason `override`, and are never counted as served. Keep this entry out of production builds.
 *
 * @packageDocumentation
 */

import type { Client } from "./client";
import { evaluationOf, kindOf } from "./evaluation";
import { FlagwireError } from "./failure";
import { attempt } from "./guard";
import { record } from "./record";
import { plain } from "./target";
import type { Evaluation, Json, OverrideDuration, Overrides, OverrideValues } from "./types";
import { Slot, type Changes, type Values } from "./values";

export type { OverrideDuration, Overrides, OverrideValues } from "./types";

/** The default key. It also marks this entry in a bundle, because no minifier removes it. */
const MARK = "flagwire-overrides";
/** The largest cookie in bytes that browsers keep, with its name and attributes. */
const MAX_COOKIE_BYTES = 4_000;

/** Options of {@link localOverrides}; all may be left out. */
export interface OverridesOptions {
  /**
   * Where overrides are kept: `local` for all tabs of this origin until they are removed, `session` for this tab, `memory` until the
   * page is left.
   * @default "local"
   */
  storage?: "local" | "session" | "memory";
  /**
   * The key in the storage.
   * @default "flagwire-overrides"
   */
  key?: string;
  /**
   * Whether a cookie of the key's name carries the overrides to a server that renders the page. Its value is the JSON of an object,
   * `{ flag: value }`, encoded by `encodeURIComponent`.
   * @default false
   */
  cookie?: boolean;
}

type Layer = NonNullable<OverrideDuration["lasts"]>;

/** Makes what `initialize` takes as the option `overrides`. */
export function localOverrides(options: OverridesOptions = {}): Overrides {
  const store = new Store(options);
  return { attach_: (client) => void new View(client, store) };
}

/** The stores of this page. Two with the same key hold the same overrides; the browser notifies only other tabs. */
const stores = new Set<Store>();

/** The overrides of one key, in two layers: those for this tab lie over those that are kept. */
class Store {
  readonly views_ = new Set<View>();
  readonly #key: string;
  readonly #cookie: boolean;
  readonly #storages: { readonly [L in Layer]: Storage | undefined };
  #layers: { [L in Layer]: Map<string, Json> } = { kept: new Map(), tab: new Map() };
  #warned = false;

  constructor({ storage = "local", key = MARK, cookie = false }: OverridesOptions) {
    this.#key = key;
    this.#cookie = cookie;
    this.#storages = {
      kept: storage === "local" ? attempt(() => localStorage) : undefined,
      tab: storage === "memory" ? undefined : attempt(() => sessionStorage),
    };
    this.#load();
  }

  /** The value of an override, or `undefined`. */
  get_(flag: string): Json | undefined {
    const { tab, kept } = this.#layers;
    return tab.has(flag) ? tab.get(flag) : kept.get(flag);
  }

  all_(): Map<string, Json> {
    return new Map([...this.#layers.kept, ...this.#layers.tab]);
  }

  /** Sets or removes an override. A later one for good replaces one for the tab. */
  set_(flag: string, value: Json | undefined, layer: Layer): void {
    this.#change([flag], () => {
      const target = this.#storages.kept ? layer : "tab";
      this.#layers.tab.delete(flag);
      if (value === undefined) this.#layers.kept.delete(flag);
      else this.#layers[target].set(flag, value);
    });
  }

  clear_(): void {
    this.#change([...this.all_().keys()], () => (this.#layers = { kept: new Map(), tab: new Map() }));
  }

  /** Begins to serve a client, and reminds of overrides that an earlier visit has left. */
  open_(view: View): void {
    if (this.views_.size === 0) {
      stores.add(this);
      attempt(() => globalThis.addEventListener("storage", this.#stored));
    }
    this.views_.add(view);
    const flags = [...this.all_().keys()];
    if (this.#warned || flags.length === 0) return;
    this.#warned = true;
    attempt(() => console.warn(`Flagwire: flags are overridden in this browser: ${flags.join(", ")}. client.clearOverrides() removes the overrides.`));
  }

  close_(view: View): void {
    this.views_.delete(view);
    if (this.views_.size > 0) return;
    stores.delete(this);
    attempt(() => globalThis.removeEventListener("storage", this.#stored));
  }

  /** Another tab has changed the storage, or cleared it all. */
  readonly #stored = ({ key }: StorageEvent): void => {
    if (key === this.#key || key === null) this.#reload();
  };

  #reload(): void {
    const before = this.all_();
    const affected = () => [...new Set([...before.keys(), ...this.all_().keys()])];
    for (const view of this.views_) view.before_(before.keys());
    this.#load();
    for (const view of [...this.views_]) view.after_(affected());
  }

  #load(): void {
    for (const layer of ["kept", "tab"] as const) {
      const storage = this.#storages[layer];
      if (storage) this.#layers[layer] = read(attempt(() => storage.getItem(this.#key)));
    }
    this.#writeCookie();
  }

  #change(flags: readonly string[], change: () => void): void {
    for (const view of this.views_) view.before_(flags);
    change();
    for (const layer of ["kept", "tab"] as const) {
      const values = this.#layers[layer];
      // A storage that is full or forbidden leaves the overrides to this page.
      attempt(() => values.size ? this.#storages[layer]?.setItem(this.#key, write(values)) : this.#storages[layer]?.removeItem(this.#key));
    }
    this.#writeCookie();
    for (const view of [...this.views_]) view.after_(flags);
    for (const other of stores) if (other !== this && other.#key === this.#key) other.#reload();
  }

  #writeCookie(): void {
    if (!this.#cookie) return;
    const values = this.all_();
    const cookie = `${this.#key}=${encodeURIComponent(write(values))}`;
    const fits = cookie.length <= MAX_COOKIE_BYTES;
    if (!fits) console.warn(`Flagwire: the overrides take ${cookie.length} bytes, and a cookie holds ${MAX_COOKIE_BYTES}; the server renders without them. Remove some.`);
    attempt(() => (document.cookie = values.size && fits ? `${cookie}; path=/; SameSite=Lax` : `${this.#key}=; path=/; SameSite=Lax; max-age=0`));
  }
}

/** The values of one client as its reads find them: what is served, and the overrides above. Takes the place of a `Map` of slots. */
class View {
  readonly #client: Client;
  readonly #store: Store;
  readonly #served: Values["slots_"];
  /** The slots of overrides, each for the kind that the flag had when it was made. */
  readonly #made = new Map<string, Slot>();
  #before = new Map<string, Slot | undefined>();

  constructor(client: Client, store: Store) {
    this.#client = client;
    this.#store = store;
    this.#served = client.values_.slots_;
    client.values_.view_ = this as unknown as Values["slots_"];
    client.override = (flag: string, value: unknown, { lasts = "kept" }: OverrideDuration = {}) => {
      if (value !== undefined) this.#evaluation(flag, value);
      // A copy, because the application may change its object later.
      store.set_(flag, value === undefined ? undefined : (JSON.parse(JSON.stringify(value, plain), freeze) as Json), lasts);
    };
    client.overrides = (): OverrideValues => record([...store.all_()]);
    client.clearOverrides = () => store.clear_();
    store.open_(this);
  }

  get(flag: string): Slot | undefined {
    return this.#slot(flag) ?? this.#served.get(flag);
  }

  *[Symbol.iterator](): IterableIterator<[string, Slot]> {
    for (const flag of this.keys()) {
      const slot = this.get(flag);
      if (slot) yield [flag, slot];
    }
  }

  *values(): IterableIterator<Slot> {
    for (const [, slot] of this) yield slot;
  }

  keys(): IterableIterator<string> {
    return new Set([...this.#served.keys(), ...this.#store.all_().keys()]).values();
  }

  /** The client was closed: reads return defaults from now on. */
  clear(): void {
    this.#served.clear();
    this.#store.close_(this);
    this.#client.values_.view_ = this.#served;
    this.#made.clear();
    this.#slot = () => undefined;
  }

  /** Notes what reads find before these overrides change. */
  before_(flags: Iterable<string>): void {
    this.#before = new Map([...flags].map((flag) => [flag, this.get(flag)]));
  }

  /** Notifies listeners of what has changed for reads. */
  after_(flags: Iterable<string>): void {
    const before = this.#before;
    const changes: Changes = [];
    for (const flag of flags) {
      this.#made.delete(flag);
      const [was, is] = [before.has(flag) ? before.get(flag) : this.#served.get(flag), this.get(flag)];
      const same = was === is || (was && is && was.reason_ === is.reason_ && was.evaluation_.value === is.evaluation_.value);
      if (!same) changes.push(is ?? flag);
    }
    if (changes.length) this.#client.changed_(changes);
  }

  #slot = (flag: string): Slot | undefined => {
    const value = this.#store.get_(flag);
    if (value === undefined) return undefined;
    const kind = this.#served.get(flag)?.evaluation_.kind;
    let slot = this.#made.get(flag);
    if (slot && (!kind || slot.evaluation_.kind === kind)) return slot;
    // An override that an earlier visit has left may not fit what the flag has become.
    const evaluation = attempt(() => this.#evaluation(flag, value));
    if (!evaluation) return undefined;
    slot = new Slot(evaluation);
    slot.reason_ = "override";
    this.#made.set(flag, slot);
    return slot;
  };

  /** Returns the evaluation of an override. Throws where the flag cannot have this value. */
  #evaluation(flag: string, value: unknown): Evaluation {
    const kind = this.#served.get(flag)?.evaluation_.kind;
    const wanted = kind?.toLowerCase();
    const refuse = (why: string) =>
      new FlagwireError(`the flag ${flag}${wanted ? ` is of kind ${wanted} and` : ""} cannot be overridden with this value (${why}); pass ${NAMES[wanted ?? ""] ?? "a text"}, or undefined to remove the override`, "override-value");
    const fits = wanted === undefined || wanted === "json" || kindOf(value) === (wanted === "number" ? "int" : NAMES[wanted] ? wanted : "string");
    if (!fits) throw refuse(`it is of type ${value === null ? "null" : typeof value}`);
    const evaluation = evaluationOf(flag, value, refuse, wanted === "json" ? wanted : kindOf(value));
    return { ...evaluation, kind: kind ?? evaluation.kind };
  }
}

const NAMES: { readonly [kind: string]: string } = {
  "": "a boolean, a text, a number or what JSON can hold",
  boolean: "true or false",
  int: "a number",
  number: "a number",
  string: "a text",
  json: "what JSON can hold",
};

/** Reads what a storage holds, which people may have edited. */
function read(text: string | null | undefined): Map<string, Json> {
  const found: unknown = text ? attempt(() => JSON.parse(text, freeze)) : undefined;
  return new Map(typeof found === "object" && found && !Array.isArray(found) ? Object.entries(found) as [string, Json][] : []);
}

function write(values: Map<string, Json>): string {
  return JSON.stringify(record([...values]));
}

/** Freezes values, for `JSON.parse`. */
function freeze(_: string, inner: unknown): unknown {
  return Object.freeze(inner);
}
