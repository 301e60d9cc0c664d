// Every entry as an ES module, in whatever environment this runs in; and a client of a real server.

import { readFileSync, writeFileSync } from "node:fs";

const ENTRIES = {
  flagwire: "initialize",
  "flagwire/harness": "initialize",
  "flagwire/harness/react": "useFeatureFlag",
  "flagwire/javascript": "initialize",
  "flagwire/openfeature": "FlagwireWebProvider",
  "flagwire/react": "useFlag",
  "flagwire/server": "fetchEvaluations",
  "flagwire/svelte": "flag",
  "flagwire/testing": "testClient",
  "flagwire/vue": "useFlag",
};

/** @param {string[]} without entries whose framework does not load here */
export async function load(without = []) {
  const missing = [];
  for (const [entry, name] of Object.entries(ENTRIES)) {
    if (!without.includes(entry) && typeof (await import(entry))[name] !== "function") missing.push(entry);
  }
  return missing;
}

/** What a client gets at first, after a list that is confirmed with 304, and after a change. */
export async function live() {
  const { initialize } = await import("flagwire");
  const errors = [];
  const client = initialize("flagwire-dev-client-key", { identifier: "ada" }, { baseUrl: process.env.SERVER });
  client.on("error", (error) => errors.push(error.message));
  const connected = new Promise((resolve) => client.on("connected", resolve));
  await client.ready();
  const seen = [client.variation("page-size", 0)];
  await connected;
  const loaded = new Promise((resolve) => client.on("flags loaded", resolve));
  client.refreshEvaluations();
  await loaded;
  const changed = new Promise((resolve) => client.onFlag("page-size", resolve));
  writeFileSync(process.env.FLAGS, readFileSync(process.env.FLAGS, "utf8").replace("default: small", "default: large"));
  seen.push(await changed);
  client.close();
  return { seen, errors };
}
