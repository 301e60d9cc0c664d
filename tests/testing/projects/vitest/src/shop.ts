import type { Client } from "flagwire";

/** What the tests of the guide are about: an object that follows a flag. */
export function openShop(client: Client) {
  const shop = { pageSize: client.variation("page-size", 10) };
  client.onFlag("page-size", (size) => (shop.pageSize = Number(size)));
  return shop;
}
