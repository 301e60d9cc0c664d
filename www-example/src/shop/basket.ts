// Flags `free-shipping` and `new-checkout`: what an order costs, and how it is paid.

import { byId, element, price } from "../dom";
import { read } from "../flags";
import { bag } from "./art";
import { products, type Product } from "./products";

const SHIPPING_CENTS = 490;

const quantities = new Map<string, number>([
  ["first-light", 1],
  ["half-moon", 2],
]);
let ordered = false;

export function addToBasket({ id }: Product): void {
  change(id, 1);
}

function change(id: string, by: number): void {
  ordered = false;
  const quantity = (quantities.get(id) ?? 0) + by;
  if (quantity > 0) quantities.set(id, quantity);
  else quantities.delete(id);
  renderBasket();
}

export function renderBasket(): void {
  const lines = products.filter(({ id }) => quantities.has(id));
  const count = [...quantities.values()].reduce((sum, quantity) => sum + quantity, 0);
  byId("basket-count").textContent = String(count);
  byId("shipping-note").textContent = read("free-shipping") ? "Free shipping for you" : `Shipping ${price(SHIPPING_CENTS)}, anywhere`;
  byId("shipping-note").classList.toggle("good", read("free-shipping"));

  const title = element("h2", { id: "basket-title" }, "Your basket");
  if (lines.length === 0) {
    const text = ordered ? "Thank you! Your coffee would be on its way, were this a real shop." : "Nothing in here yet.";
    byId("basket").replaceChildren(title, element("p", { className: "empty muted" }, text));
    return;
  }
  byId("basket").replaceChildren(title, element("ul", { className: "lines" }, ...lines.map(line)), sums(lines), checkout());
}

function line(product: Product): HTMLLIElement {
  const quantity = quantities.get(product.id) ?? 0;
  const step = (label: string, by: number) => element("button", { type: "button", onclick: () => change(product.id, by), aria: { label: `${by > 0 ? "One more" : "One less"} ${product.name}` } }, label);
  return element(
    "li",
    { className: "line" },
    bag(product),
    element("div", { className: "line-words" }, element("strong", {}, product.name), element("span", { className: "muted" }, price(product.cents))),
    element("div", { className: "stepper" }, step("−", -1), element("span", {}, String(quantity)), step("+", 1)),
  );
}

function sums(lines: Product[]): HTMLElement {
  const goods = lines.reduce((sum, { id, cents }) => sum + cents * (quantities.get(id) ?? 0), 0);
  const free = read("free-shipping");
  const row = (className: string, name: string, ...value: (Node | string)[]) => element("div", { className }, element("dt", {}, name), element("dd", {}, ...value));
  return element(
    "dl",
    { className: "sums" },
    row("", "Coffee", price(goods)),
    free
      ? row("shipping free", "Shipping", element("s", { className: "muted" }, price(SHIPPING_CENTS)), element("strong", {}, " Free"))
      : row("shipping", "Shipping", price(SHIPPING_CENTS)),
    row("total", "Total", price(goods + (free ? 0 : SHIPPING_CENTS))),
  );
}

function checkout(): HTMLElement {
  const order = () => {
    quantities.clear();
    ordered = true;
    renderBasket();
  };
  if (read("new-checkout")) {
    return element(
      "div",
      { className: "checkout express", dataset: { checkout: "new" } },
      element("p", { className: "checkout-title" }, element("strong", {}, "Express checkout"), element("span", { className: "pill good" }, "one step")),
      element("button", { type: "button", className: "button wide", onclick: order }, "Pay with card ···· 4242"),
      element("button", { type: "button", className: "button wide quiet", onclick: order }, "Pay by invoice"),
      element("p", { className: "muted fine" }, "To Lindenweg 12, as last time. Nothing to fill in."),
    );
  }
  return element(
    "div",
    { className: "checkout", dataset: { checkout: "classic" } },
    element("button", { type: "button", className: "button wide", onclick: order }, "Go to checkout"),
    element(
      "ol",
      { className: "steps muted", aria: { label: "Steps of the checkout" } },
      ...["Sign in", "Address", "Payment", "Review"].map((name) => element("li", {}, name)),
    ),
  );
}
