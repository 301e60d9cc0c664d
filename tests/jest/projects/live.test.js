// A client of a real server, in jsdom.

const { readFileSync, writeFileSync } = require("node:fs");

let client;
afterAll(() => client.close());

test("gets flags and changes, and closes", async () => {
  const { initialize } = require("flagwire");
  client = initialize("flagwire-dev-client-key", { identifier: "ada" }, { baseUrl: process.env.SERVER, enableAnalytics: false });
  const connected = new Promise((resolve) => client.on("connected", resolve));
  await client.ready();
  expect(client.variation("theme", "")).toBe("classic");
  const changed = new Promise((resolve) => client.onFlag("page-size", resolve));
  await connected;
  writeFileSync(process.env.FLAGS, readFileSync(process.env.FLAGS, "utf8").replace("default: small", "default: large"));
  expect(await changed).toBe(12);
});
