// Just enough to build elements without a framework.

type Child = Node | string | undefined;
type Properties<T> = Partial<Omit<T, "style" | "dataset">> & { dataset?: Record<string, string>; aria?: Record<string, string> };

/** Makes an element with properties, `data-*` and `aria-*` attributes, and children; texts are never parsed as HTML. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { dataset, aria, ...properties }: Properties<HTMLElementTagNameMap[K]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  Object.assign(made.dataset, dataset);
  for (const [name, value] of Object.entries(aria ?? {})) made.setAttribute(`aria-${name}`, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** The element with this id, which index.html has. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element #${id}`);
  return found;
}

const euros = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });

/** Cents as `€12.50`. */
export function price(cents: number): string {
  return euros.format(cents / 100);
}
