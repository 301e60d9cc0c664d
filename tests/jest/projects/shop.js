// What the test of docs/guides/testing.md is about: an object that follows a flag.

exports.openShop = (client) => {
  const shop = { pageSize: client.variation("page-size", 10) };
  client.onFlag("page-size", (size) => (shop.pageSize = size));
  return shop;
};
