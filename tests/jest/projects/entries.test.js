/** @jest-environment jsdom */
// Every entry loads in jsdom without any configuration, and a client that nobody closes keeps no process.

const ENTRIES = {
  flagwire: "initialize",
  "flagwire/harness": "initialize",
  "flagwire/harness/react": "useFeatureFlag",
  "flagwire/javascript": "initialize",
  "flagwire/openfeature": "FlagwireWebProvider",
  "flagwire/react": "useFlag",
  "flagwire/server": "fetchEvaluations",
  "flagwire/testing": "testClient",
  "flagwire/vue": "useFlag",
};

test.each(Object.entries(ENTRIES))("%s", (entry, name) => {
  expect(typeof require(entry)[name]).toBe("function");
});

test("a client starts, answers with defaults where there is no fetch, and is left open", async () => {
  expect(typeof fetch).toBe("undefined");
  const client = require("flagwire").initialize("key", { identifier: "ada" }, { baseUrl: "http://127.0.0.1:9", logger: { debug() {}, info() {}, warn() {}, error() {} } });
  await expect(client.ready(50)).rejects.toThrow("no evaluations came");
  expect(client.variation("dark", true)).toBe(true);
});
