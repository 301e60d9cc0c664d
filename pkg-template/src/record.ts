// Objects with many keys.

/**
 * Does what `Object.fromEntries` does in a seventh of the time: engines give an object with a prototype a new shape for each of the
 * first thousand keys. An object without a prototype is a hash table from the beginning, and `__proto__` is an ordinary key in it.
 */
export function record<T>(entries: readonly (readonly [name: string, value: T])[]): { [name: string]: T } {
  const all = Object.create(null) as { [name: string]: T };
  for (const [name, value] of entries) all[name] = value;
  return Object.setPrototypeOf(all, Object.prototype) as typeof all;
}
