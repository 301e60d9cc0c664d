// The types of a project's own flags, and what reads make of them.

import type { Json, Variation, Widen } from "./types";

/**
 * A project's own flags and the types of their values. Empty here, so that any name goes; a file written by
 * `npx flagwire types`, or by hand, fills it in, and from then on an unknown name or a wrong default is a compile error:
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
 * The type `unknown` stands for JSON whose shape is not known: reads of such a flag have the type of their default.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface Flags {}

/** The names of the project's flags; any text where {@link Flags} is empty. */
export type FlagName = [keyof Flags] extends [never] ? string : Extract<keyof Flags, string>;

/** The flags whose values are of a type; any text where {@link Flags} is empty. */
export type FlagNameOf<V> = [keyof Flags] extends [never] ? string : { [N in keyof Flags]: Flags[N] extends V ? N : never }[keyof Flags];

/** The flags whose values may be JSON; any text where {@link Flags} is empty. */
export type JsonFlagName = [keyof Flags] extends [never] ? string
  : { [N in keyof Flags]: unknown extends Flags[N] ? N : Flags[N] extends Json | object ? N : never }[keyof Flags];

/** What a flag's default may be. Where the flag holds an object or a list, a read-only one does as well. */
export type FlagDefault<N extends string> = N extends keyof Flags ? Accepted<Flags[N]> : unknown;

/** What a read of a flag gives. */
export type FlagValue<N extends string, T> = [keyof Flags] extends [never] ? Untyped<T>
  : IsAnyName<N> extends true ? Widen<T>
  : N extends keyof Flags ? Typed<Flags[N], T>
  : Widen<T>;

/** The values of a flag where no default tells their type. */
export type FlagContent<N extends string> = N extends keyof Flags ? (unknown extends Flags[N] ? Json : Flags[N]) : Json;

/** The values of all flags by name. A flag of the project may be missing, as long as the server has not been heard. */
export type FlagValues = [keyof Flags] extends [never] ? { readonly [flag: string]: Json }
  : { readonly [N in FlagName]?: FlagContent<N> } & { readonly [flag: string]: Json };

/** Reads flags of one type. With a project's own {@link Flags}, takes the names of flags of that type alone. */
export type Read<V> = (flag: FlagNameOf<V>, defaultValue: V) => V;

/** Reads flags of one type, and says where the value is from. */
export type ReadDetail<V> = (flag: FlagNameOf<V>, defaultValue: V) => Variation<V>;

/**
 * Reads `json` flags. With a project's own {@link Flags} the value has the flag's type. Otherwise, and where `T` is written out or does
 * not fit the flag, `T` is what the caller knows about the value; nothing checks it.
 */
export type ReadJson = <T = Json, N extends JsonFlagName = JsonFlagName>(flag: N, defaultValue: T) => JsonValue<N, T>;

/** Reads `json` flags, and says where the value is from. */
export type ReadJsonDetail = <T = Json, N extends JsonFlagName = JsonFlagName>(flag: N, defaultValue: T) => Variation<JsonValue<N, T>>;

/** What {@link ReadJson} gives. */
export type JsonValue<N extends string, T> = [keyof Flags] extends [never] ? T : IsAnyName<N> extends true ? T : [T] extends [FlagDefault<N>] ? FlagValue<N, T> : T;

/** The type and everything inside it, read-only. */
type Frozen<V> = { readonly [K in keyof V]: Frozen<V[K]> };

/** `Json` alone would take no value whose type is an interface: interfaces have no index signature. */
type Accepted<V> = unknown extends V ? unknown : Json extends V ? V | object : Frozen<V>;

type Untyped<T> = [T] extends [null | undefined] ? Json | T : Widen<T>;

type Typed<V, T> = 0 extends 1 & V ? V : unknown extends V ? Untyped<T> : Json extends V ? ([T] extends [V] ? V : Widen<T>) : V;

/**
 * Whether a name may be that of any flag, though there are several. So it is where a caller writes out the value's type, as in
 * `variation<Banner>("banner", …)`: TypeScript infers all type arguments or none.
 */
type IsAnyName<N extends string> = [FlagName] extends [N] ? IsUnion<FlagName> : false;

type IsUnion<U, Whole = U> = U extends unknown ? ([Whole] extends [U] ? false : true) : never;
