// The SDKs whose reads are measured, each set up with the same flags: every one a boolean, every second one true.
//
// `expression` is the read of flag `k` on what `start` returned as `c`, as an application would write it. Where an SDK counts
// reads (exposures, impressions, summaries) it is measured with that on and off; where it does not, once, as "off".

import { initialize as flagwire } from "flagwire";
import { initialize as dropIn } from "flagwire/harness";
import { FlagwireWebProvider } from "flagwire/openfeature";
import * as configcat from "@configcat/sdk/browser";
import flagsmith from "@flagsmith/flagsmith";
import { FliptClient } from "@flipt-io/flipt-client-js/slim";
import { GrowthBook } from "@growthbook/growthbook";
import { initialize as harness } from "@harnessio/ff-javascript-client-sdk";
import { createClient } from "@launchdarkly/js-client-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature } from "@openfeature/web-sdk";
import { StatsigClient } from "@statsig/js-client";
import { initialize as launchDarkly } from "launchdarkly-js-client-sdk";
import { InMemoryStorageProvider, UnleashClient } from "unleash-proxy-client";

/**
 * @typedef {object} Setting
 * @property {string} server a flagwire-server with the flags
 * @property {string} key its client key
 * @property {string} pages where the page is from; takes and forgets what is posted to `/sink`
 * @property {string[]} flags all names
 *
 * @typedef {object} Peer
 * @property {string} name
 * @property {boolean} [ours]
 * @property {string} expression
 * @property {boolean[]} counting
 * @property {(setting: Setting, counting: boolean) => unknown} start what is read from, or a promise of it
 */

const isOn = (/** @type {number} */ index) => index % 2 === 1;
const target = { identifier: "user-42", name: "Ada", attributes: { plan: "gold" } };
const object = (/** @type {string[]} */ flags, /** @type {(flag: string, index: number) => unknown} */ value) => Object.fromEntries(flags.map((flag, index) => [flag, value(flag, index)]));

/** OpenFeature keeps one provider a domain; each measurement has its own. */
let domains = 0;
async function openFeature(/** @type {any} */ provider) {
  const domain = `bench-${(domains += 1)}`;
  await OpenFeature.setContext(domain, { targetingKey: target.identifier, ...target.attributes });
  await OpenFeature.setProviderAndWait(domain, provider);
  return OpenFeature.getClient(domain);
}

/** @type {Peer[]} */
export const peers = [
  {
    name: "bare Map.get",
    expression: "c.get(k)",
    counting: [false],
    start: ({ flags }) => new Map(flags.map((flag, index) => [flag, isOn(index)])),
  },
  {
    name: "Flagwire",
    ours: true,
    expression: "c.variation(k, false)",
    counting: [true, false],
    start: async ({ server, key, pages }, enableAnalytics) => {
      const client = flagwire(key, target, { baseUrl: server, streamEnabled: false, pollingEnabled: false, enableAnalytics, wasm: `${pages}/flagwire.wasm` });
      await client.ready();
      return client;
    },
  },
  {
    name: "Flagwire, drop-in for Harness",
    ours: true,
    expression: "c.variation(k, false)",
    counting: [true, false],
    start: ({ server, key, pages }, enableAnalytics) => ready(dropIn(key, target, /** @type {any} */ ({ baseUrl: server, eventUrl: server, streamEnabled: false, pollingEnabled: false, enableAnalytics, wasm: `${pages}/flagwire.wasm` }))),
  },
  {
    name: "Harness",
    expression: "c.variation(k, false)",
    counting: [true, false],
    start: ({ server, key }, enableAnalytics) => ready(harness(key, target, { baseUrl: server, eventUrl: server, streamEnabled: false, pollingEnabled: false, enableAnalytics })),
  },
  {
    name: "Flagwire as OpenFeature provider",
    ours: true,
    expression: "c.getBooleanValue(k, false)",
    counting: [true],
    start: ({ server, key, pages }) => openFeature(new FlagwireWebProvider(key, { baseUrl: server, streamEnabled: false, pollingEnabled: false, wasm: `${pages}/flagwire.wasm` })),
  },
  {
    name: "OpenFeature + OFREP",
    expression: "c.getBooleanValue(k, false)",
    counting: [false],
    start: ({ server, key }) => openFeature(new OFREPWebProvider({ baseUrl: server, pollInterval: 0, headers: [["X-API-Key", key]] })),
  },
  {
    name: "Unleash",
    expression: "c.isEnabled(k)",
    counting: [true, false],
    start: async ({ flags, pages }, counting) => {
      const toggles = flags.map((name, index) => ({ name, enabled: isOn(index), variant: { name: "disabled", enabled: false }, impressionData: false }));
      const client = new UnleashClient({
        url: `${pages}/sink`,
        clientKey: "bench",
        appName: "bench",
        refreshInterval: 0,
        disableMetrics: !counting,
        storageProvider: new InMemoryStorageProvider(),
        fetch: async () => new Response(JSON.stringify({ toggles })),
      });
      await client.start();
      return client;
    },
  },
  {
    name: "Flagsmith",
    expression: "c.hasFeature(k)",
    counting: [false],
    start: async ({ flags }) => {
      await flagsmith.init({
        environmentID: "bench",
        preventFetch: true,
        defaultFlags: /** @type {any} */ (object(flags, (_, index) => ({ id: index, enabled: isOn(index), value: null }))),
      });
      return flagsmith;
    },
  },
  {
    name: "GrowthBook",
    expression: "c.isOn(k)",
    counting: [false],
    start: ({ flags }) => new GrowthBook({ attributes: { id: target.identifier } }).initSync({ payload: { features: /** @type {any} */ (object(flags, (_, index) => ({ defaultValue: isOn(index) }))) } }),
  },
  {
    name: "Statsig",
    expression: "c.checkGate(k)",
    counting: [true, false],
    start: ({ flags }, counting) => {
      const user = { userID: target.identifier };
      const client = new StatsigClient("client-bench", user, { disableLogging: !counting, networkConfig: { preventAllNetworkTraffic: true } });
      const gates = object(flags, (name, index) => ({ name, value: isOn(index), rule_id: "rule", secondary_exposures: [] }));
      client.dataAdapter.setData(JSON.stringify({ feature_gates: gates, dynamic_configs: {}, layer_configs: {}, has_updates: true, hash_used: "none", time: 1, user }));
      client.initializeSync();
      return client;
    },
  },
  {
    name: "ConfigCat",
    expression: "c.getValue(k, false)",
    counting: [false],
    start: async ({ flags }) => {
      const overrides = configcat.createFlagOverridesFromMap(/** @type {any} */ (object(flags, (_, index) => isOn(index))), configcat.OverrideBehaviour.LocalOnly);
      const client = configcat.getClient("localhost", configcat.PollingMode.ManualPoll, { flagOverrides: overrides });
      await client.forceRefreshAsync();
      return client.snapshot();
    },
  },
  {
    name: "LaunchDarkly v3",
    expression: "c.variation(k, false)",
    counting: [true, false],
    start: async ({ flags, pages }, sendEvents) => {
      const state = object(flags, () => ({ variation: 0, version: 1 }));
      const bootstrap = { ...object(flags, (_, index) => isOn(index)), $flagsState: state, $valid: true };
      const client = launchDarkly("bench", { kind: "user", key: target.identifier }, {
        bootstrap: /** @type {any} */ (bootstrap),
        sendEvents,
        streaming: false,
        fetchGoals: false,
        diagnosticOptOut: true,
        eventsUrl: `${pages}/sink`,
        baseUrl: `${pages}/sink`,
      });
      await client.waitForInitialization(10);
      return client;
    },
  },
  {
    name: "LaunchDarkly v4",
    expression: "c.variation(k, false)",
    counting: [true, false],
    start: async ({ flags, pages }, sendEvents) => {
      const state = object(flags, () => ({ variation: 0, version: 1 }));
      const bootstrap = { ...object(flags, (_, index) => isOn(index)), $flagsState: state, $valid: true };
      const quiet = { debug() {}, info() {}, warn() {}, error() {} };
      const client = createClient(
        "bench",
        { kind: "user", key: target.identifier },
        /** @type {any} */ ({ sendEvents, streaming: false, fetchGoals: false, diagnosticOptOut: true, logger: quiet, eventsUri: `${pages}/sink`, baseUri: `${pages}/sink`, streamUri: `${pages}/sink` }),
      );
      await client.start(/** @type {any} */ ({ bootstrap, timeout: 10 }));
      return client;
    },
  },
  {
    name: "Flipt (Rust→WASM)",
    expression: 'c.evaluateBoolean({ flagKey: k, entityId: "user-42", context: {} }).enabled',
    counting: [false],
    start: ({ flags, pages }) => {
      const snapshot = { namespace: { key: "default" }, flags: flags.map((key, index) => ({ key, name: key, description: "", enabled: isOn(index), type: "BOOLEAN_FLAG_TYPE", rules: [], rollouts: [] })) };
      return FliptClient.init(/** @type {any} */ ({ fetcher: async () => new Response(JSON.stringify(snapshot)) }), { wasm: `${pages}/flipt.wasm` });
    },
  },
];

/**
 * @template {{ on: (event: any, listener: any) => unknown }} T
 * @param {T} client
 * @returns {Promise<T>}
 */
function ready(client) {
  return new Promise((resolve, reject) => {
    client.on("ready", () => resolve(client));
    client.on("auth error", (/** @type {unknown} */ error) => reject(new Error(`refused: ${error}`)));
  });
}
