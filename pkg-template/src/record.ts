// Objects of many names.

/**
 * As `Object.fromEntries`, which gives an object another shape with each of the first thousand names and takes seven times as
 * long. Without a prototype it is a table from the beginning, where `__proto__` is a name like others.
 */
export function record<T>(entries: readonly (readonly [name: string, value: T])[]): { [name: string]: T } {
  const all = Object.create(null) as { [name: string]: T };
  for (const [name, value] of entries) all[name] = value;
  return Object.setPrototypeOf(all, Object.prototype) as typeof all;
}
