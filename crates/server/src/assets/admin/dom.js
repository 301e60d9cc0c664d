// Builds and updates elements. All text becomes text nodes: no function here takes markup.

/** Returns the element of the page with this id. */
export const el = (id) => document.getElementById(id);

/**
 * Returns a new element: `make("p", "note", "text", child, …)`. Texts become text nodes; what is null, undefined or false is left
 * out.
 */
export function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets attributes; null removes one, true sets an empty one. */
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  return node;
}

/** Returns a button with this text. */
export function button(className, text, onClick, attributes = {}) {
  const node = set(make("button", className, text), { type: "button", ...attributes });
  node.addEventListener("click", onClick);
  return node;
}

/** Replaces children only where `key` says that something differs, so that focus and selection survive where nothing did. */
export function fill(node, key, build) {
  const text = JSON.stringify(key);
  if (node.dataset.filled === text) return false;
  node.replaceChildren(...[build()].flat().filter((child) => child !== null && child !== undefined && child !== false));
  node.dataset.filled = text;
  return true;
}

/**
 * Sets the options of a select. The chosen option stays chosen if it is still among them.
 *
 * @param {HTMLSelectElement} select
 * @param {[value: string, text: string][]} options
 */
export function options(select, options, value = select.value) {
  fill(select, options, () => options.map(([value, text]) => new Option(text, value)));
  select.value = value;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

let toastTimer;
/** Shows a message at the foot of the page, which screen readers announce. Mistakes are shown at the field instead. */
export function toast(text) {
  const node = el("toast");
  node.textContent = text;
  node.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => node.classList.remove("shown"), 4000);
}

/** Returns a line in which {@link mistake} shows its text. Screen readers announce it when it appears. */
export const mistakeLine = () => set(make("p", "mistake"), { role: "alert", hidden: true });

/** Shows in a line why an action has failed; an empty text hides the line. */
export function mistake(node, text) {
  node.textContent = text;
  node.hidden = text === "";
}

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
