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
 *   }
 * }
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface Flags {}

/** The names of the project's flags; any text where {@link Flags} is empty. */
export type FlagName = [keyof Flags] extends [never] ? string : Extract<keyof Flags, string>;

/** The flags whose values are of a type; any text where {@link Flags} is empty. */
export type FlagNameOf<V> = [keyof Flags] extends [never] ? string : { [N in keyof Flags]: Flags[N] extends V ? N : never }[keyof Flags];

/** What a flag's default may be. */
export type FlagDefault<N extends string> = N extends keyof Flags ? Flags[N] : unknown;

/** What a read of a flag gives. */
export type FlagValue<N extends string, T> = N extends keyof Flags ? Flags[N] : Widen<T>;

/** Reads flags of one type. With a project's own {@link Flags}, takes the names of flags of that type alone. */
export type Read<V> = (flag: FlagNameOf<V>, defaultValue: V) => V;

/** Reads flags of one type, and says where the value is from. */
export type ReadDetail<V> = (flag: FlagNameOf<V>, defaultValue: V) => Variation<V>;

/** Reads `json` flags. `T` is what the caller knows about the value; nothing checks it. */
export type ReadJson = <T = Json>(flag: FlagNameOf<Json | object>, defaultValue: T) => T;

/** Reads `json` flags, and says where the value is from. */
export type ReadJsonDetail = <T = Json>(flag: FlagNameOf<Json | object>, defaultValue: T) => Variation<T>;
