// The types of a project's own flags, and the types of reads that follow from them.

import type { Json, Variation, Widen } from "./types";

/**
 * The project's own flags and the types of their values. This interface is empty, so that every name is accepted. A file written by
 * `npx flagwire types`, or by hand, adds the flags to it, and from then on an unknown name or a wrong default is a compile error:
 *
 * ```ts
 * declare module "flagwire" {
 *   interface Flags {
 *     "dark-mode": boolean;
 *     theme: "classic" | "ocean";
 *     banner: { text: string; link?: string };
 *   }
 * }
 * ```
 *
 * Use the type `unknown` for JSON whose shape is not known: a read of such a flag has the type of its default.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface Flags {}

/** The names of the project's flags, or any string if {@link Flags} is empty. */
export type FlagName = [keyof Flags] extends [never] ? string : Extract<keyof Flags, string>;

/** The names of the flags whose values have a given type, or any string if {@link Flags} is empty. */
export type FlagNameOf<V> = [keyof Flags] extends [never] ? string : { [N in keyof Flags]: Flags[N] extends V ? N : never }[keyof Flags];

/** The names of the flags whose values may be JSON, or any string if {@link Flags} is empty. */
export type JsonFlagName = [keyof Flags] extends [never] ? string
  : { [N in keyof Flags]: unknown extends Flags[N] ? N : Flags[N] extends Json | object ? N : never }[keyof Flags];

/** The type of a flag's default. If the flag holds an object or a list, a read-only one is accepted too. */
export type FlagDefault<N extends string> = N extends keyof Flags ? Accepted<Flags[N]> : unknown;

/** The type of the value that a read of a flag returns. */
export type FlagValue<N extends string, T> = [keyof Flags] extends [never] ? Untyped<T>
  : IsAnyName<N> extends true ? Widen<T>
  : N extends keyof Flags ? Typed<Flags[N], T>
  : Widen<T>;

/** The type of a flag's values where there is no default to infer it from. */
export type FlagContent<N extends string> = N extends keyof Flags ? (unknown extends Flags[N] ? Json : Flags[N]) : Json;

/** The values of all flags by name. A flag of the project may be missing until the server has answered. */
export type FlagValues = [keyof Flags] extends [never] ? { readonly [flag: string]: Json }
  : { readonly [N in FlagName]?: FlagContent<N> } & { readonly [flag: string]: Json };

/** Reads flags of one type. With a project's own {@link Flags} it accepts only the names of flags of that type. */
export type Read<V> = (flag: FlagNameOf<V>, defaultValue: V) => V;

/** Reads flags of one type, and returns the reason with the value. */
export type ReadDetail<V> = (flag: FlagNameOf<V>, defaultValue: V) => Variation<V>;

/**
 * Reads `json` flags. With a project's own {@link Flags} the value has the flag's type. Otherwise, and if `T` is written out or does
 * not fit the flag, the caller asserts the type `T`, which nothing checks.
 */
export type ReadJson = <T = Json, N extends JsonFlagName = JsonFlagName>(flag: N, defaultValue: T) => JsonValue<N, T>;

/** Reads `json` flags, and returns the reason with the value. */
export type ReadJsonDetail = <T = Json, N extends JsonFlagName = JsonFlagName>(flag: N, defaultValue: T) => Variation<JsonValue<N, T>>;

/** The type of the value that {@link ReadJson} returns. */
export type JsonValue<N extends string, T> = [keyof Flags] extends [never] ? T : IsAnyName<N> extends true ? T : [T] extends [FlagDefault<N>] ? FlagValue<N, T> : T;

/** The type with everything inside it read-only. */
type Frozen<V> = { readonly [K in keyof V]: Frozen<V[K]> };

/** The constraint for JSON values. `Json` itself would accept no interface, because interfaces have no index signature. */
type Accepted<V> = unknown extends V ? unknown : Json extends V ? V | object : Frozen<V>;

type Untyped<T> = [T] extends [null | undefined] ? Json | T : Widen<T>;

type Typed<V, T> = 0 extends 1 & V ? V : unknown extends V ? Untyped<T> : Json extends V ? ([T] extends [V] ? V : Widen<T>) : V;

/**
 * Is true if a name is not narrowed to one flag although there are several. That is so if a caller writes out the value's type, as in
 * `variation<Banner>("banner", …)`, because TypeScript infers all type arguments or none.
 */
type IsAnyName<N extends string> = [FlagName] extends [N] ? IsUnion<FlagName> : false;

type IsUnion<U, Whole = U> = U extends unknown ? ([Whole] extends [U] ? false : true) : never;
