// Flags `layout` and `page-size`: how the products stand on the shelf, and how many of them at once.

import { byId, element, price } from "../dom";
import { read } from "../flags";
import { bag } from "./art";
import { addToBasket } from "./basket";
import { products, type Product } from "./products";

const ROASTS = ["", "Light roast", "Light to medium roast", "Medium roast", "Medium to dark roast", "Dark roast"];

/** How many pages the visitor has asked for. */
let pages = 1;

export function renderShelf(): void {
  const list = byId("products");
  list.dataset["layout"] = read("layout") === "list" ? "list" : "grid";

  const pageSize = Math.max(1, Math.floor(read("page-size")));
  const shown = products.slice(0, pageSize * pages);
  // Cards that stay are kept: a change of the page size must not make the rest of the page blink.
  const cards = new Map([...list.children].map((card) => [(card as HTMLElement).dataset["product"], card]));
  list.replaceChildren(...shown.map((product) => cards.get(product.id) ?? card(product)));

  byId("shelf-count").textContent = `${shown.length} of ${products.length} coffees`;
  const more = byId("more");
  const left = products.length - shown.length;
  more.hidden = left === 0;
  more.textContent = `Show ${Math.min(pageSize, left)} more`;
  more.onclick = () => {
    pages += 1;
    renderShelf();
  };
}

function card(product: Product): HTMLLIElement {
  const { id, name, origin, notes, roast, cents, badge } = product;
  return element(
    "li",
    { className: "card", dataset: { product: id } },
    element("div", { className: "card-art" }, bag(product), badge ? element("span", { className: "badge" }, badge) : undefined),
    element(
      "div",
      { className: "card-words" },
      element("h3", {}, name),
      element("p", { className: "muted" }, origin),
      element("p", { className: "notes" }, notes),
      roastMeter(roast),
    ),
    element(
      "div",
      { className: "card-buy" },
      element("p", { className: "price" }, price(cents), element("span", { className: "muted" }, " / 250 g")),
      element("button", { type: "button", className: "button small", onclick: () => addToBasket(product), aria: { label: `Add ${name} to the basket` } }, "Add"),
    ),
  );
}

function roastMeter(roast: number): HTMLElement {
  const beans = [1, 2, 3, 4, 5].map((step) => element("span", { className: step <= roast ? "bean full" : "bean" }));
  const meter = element("p", { className: "roast", title: ROASTS[roast] ?? "", aria: { label: ROASTS[roast] ?? "" } }, ...beans);
  meter.setAttribute("role", "img");
  return meter;
}
