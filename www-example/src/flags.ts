// The one place that knows Flagwire: the client, who is shopping, and the page's flags with their defaults.

import { initialize } from "flagwire";

/** `npm start` passes both; the fallbacks are what flagwire-server uses when it is started without options. */
export const serverUrl: string = import.meta.env.VITE_FLAGWIRE_URL ?? "http://127.0.0.1:7700";
const clientKey: string = import.meta.env.VITE_FLAGWIRE_KEY ?? "flagwire-dev-client-key";

/** People to shop as. Rules in flags.yaml look at their attributes: gold ships free, staff see more products. */
export const shoppers = [
  { identifier: "maya", name: "Maya", about: "gold plan", attributes: { plan: "gold", email: "maya@halfmoon.test" } },
  { identifier: "jonas", name: "Jonas", about: "basic plan", attributes: { plan: "basic", email: "jonas@halfmoon.test" } },
  { identifier: "priya", name: "Priya", about: "staff", attributes: { plan: "basic", email: "priya@example.com" } },
] as const;

export type Shopper = (typeof shoppers)[number];

/** The shopper of the last visit, so that a reload shows the same page. */
export function lastShopper(): Shopper {
  const stored = localStorage.getItem("shopper");
  return shoppers.find(({ identifier }) => identifier === stored) ?? shoppers[1];
}

export const client = initialize(clientKey, target(lastShopper()), {
  baseUrl: serverUrl,
  // Values of the last visit are there at once on the next.
  cache: true,
});

/** Shows the page as somebody else: the client fetches that person's values and reports what differs. */
export async function shopAs(shopper: Shopper): Promise<void> {
  localStorage.setItem("shopper", shopper.identifier);
  await client.identify(target(shopper));
}

function target({ identifier, name, attributes }: Shopper) {
  return { identifier, name, attributes: { ...attributes } };
}

export interface Banner {
  text: string;
  tone: string;
  link: string;
}

/** Every flag of the page with the value to use until the server has answered, or if it does not know the flag. */
export const defaults = {
  "dark-mode": false,
  theme: "classic",
  layout: "grid",
  "page-size": 8,
  banner: { text: "", tone: "none", link: "" } as Banner,
  "free-shipping": false,
  "new-checkout": false,
};

export type Flag = keyof typeof defaults;

export const flagNames = Object.keys(defaults) as Flag[];

/** Reads a flag; its type is that of its default. */
export function read<F extends Flag>(flag: F): (typeof defaults)[F] {
  return client.variation(flag, defaults[flag]) as (typeof defaults)[F];
}
