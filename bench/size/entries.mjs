// What a page writes to initialise an SDK, read one flag and listen for changes; each as its own documentation has it.
// `key`, `target` and `done` are free names, so that nothing is folded away.

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {string} package whose version is named
 * @property {string} source
 * @property {string} [wasm] a file that is loaded besides, relative to `bench/node_modules`; the bundler inlines all others
 * @property {string} [note]
 */

/** @type {Entry[]} */
export const peers = [
  {
    name: "Harness",
    package: "@harnessio/ff-javascript-client-sdk",
    source: `
      import { initialize, Event } from "@harnessio/ff-javascript-client-sdk";
      const client = initialize(key, target);
      client.on(Event.CHANGED, () => done(client.variation("flag", false)));`,
  },
  {
    name: "Unleash",
    package: "unleash-proxy-client",
    source: `
      import { UnleashClient } from "unleash-proxy-client";
      const client = new UnleashClient({ url: key, clientKey: key, appName: "app", context: target });
      client.on("update", () => done(client.isEnabled("flag")));
      client.start();`,
  },
  {
    name: "Flagsmith",
    package: "@flagsmith/flagsmith",
    source: `
      import flagsmith from "@flagsmith/flagsmith";
      flagsmith.init({ evaluationContext: { environment: { apiKey: key }, identity: target }, realtime: true, onChange: () => done(flagsmith.hasFeature("flag")) });`,
  },
  {
    name: "OpenFeature + OFREP",
    package: "@openfeature/ofrep-web-provider",
    source: `
      import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
      import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
      OpenFeature.setProvider(new OFREPWebProvider({ baseUrl: key }), target);
      const client = OpenFeature.getClient();
      client.addHandler(ProviderEvents.ConfigurationChanged, () => done(client.getBooleanValue("flag", false)));`,
  },
  {
    name: "GrowthBook",
    package: "@growthbook/growthbook",
    source: `
      import { GrowthBook } from "@growthbook/growthbook";
      const client = new GrowthBook({ clientKey: key, attributes: target });
      client.setRenderer(() => done(client.isOn("flag")));
      client.init({ streaming: true });`,
  },
  {
    name: "LaunchDarkly v3",
    package: "launchdarkly-js-client-sdk",
    source: `
      import { initialize } from "launchdarkly-js-client-sdk";
      const client = initialize(key, target);
      client.on("change", () => done(client.variation("flag", false)));`,
  },
  {
    name: "ConfigCat",
    package: "@configcat/sdk",
    source: `
      import * as configcat from "@configcat/sdk/browser";
      const client = configcat.getClient(key, configcat.PollingMode.AutoPoll);
      client.on("configChanged", () => done(client.snapshot().getValue("flag", false, target)));`,
  },
  {
    name: "Statsig",
    package: "@statsig/js-client",
    source: `
      import { StatsigClient } from "@statsig/js-client";
      const client = new StatsigClient(key, target);
      client.on("values_updated", () => done(client.checkGate("flag")));
      client.initializeAsync();`,
  },
  {
    name: "LaunchDarkly v4",
    package: "@launchdarkly/js-client-sdk",
    source: `
      import { createClient } from "@launchdarkly/js-client-sdk";
      const client = createClient(key, target);
      client.on("change", () => done(client.variation("flag", false)));
      client.start();`,
  },
  {
    name: "Flipt slim",
    package: "@flipt-io/flipt-client-js",
    wasm: "@flipt-io/flipt-client-js/dist/flipt_engine_wasm_js_bg.wasm",
    note: "Rust compiled to WebAssembly, as a file of its own; listens by polling",
    source: `
      import { FliptClient } from "@flipt-io/flipt-client-js/slim";
      FliptClient.init({ url: key }, { wasm: "flipt.wasm" }).then((client) => {
        done(client.evaluateBoolean({ flagKey: "flag", entityId: key, context: target }));
        setInterval(() => client.refresh(), 60_000);
      });`,
  },
  {
    name: "Flipt default",
    package: "@flipt-io/flipt-client-js",
    note: "the same with the WebAssembly as base64 in the JavaScript",
    source: `
      import { FliptClient } from "@flipt-io/flipt-client-js";
      FliptClient.init({ url: key }).then((client) => {
        done(client.evaluateBoolean({ flagKey: "flag", entityId: key, context: target }));
        setInterval(() => client.refresh(), 60_000);
      });`,
  },
];

/**
 * Flagwire's own entries, by the subpath that is imported. One that a build of the package does not have is left out.
 *
 * @type {Record<string, { name: string, source: string }>}
 */
export const flagwire = {
  ".": {
    name: "Flagwire",
    source: `
      import { initialize, Event } from "flagwire";
      const client = initialize(key, target);
      client.on(Event.CHANGED, () => done(client.variation("flag", false)));`,
  },
  "./harness": {
    name: "Flagwire, drop-in for Harness",
    source: `
      import { initialize, Event } from "flagwire/harness";
      const client = initialize(key, target);
      client.on(Event.CHANGED, () => done(client.variation("flag", false)));`,
  },
  "./openfeature": {
    name: "Flagwire as OpenFeature provider",
    source: `
      import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
      import { FlagwireWebProvider } from "flagwire/openfeature";
      OpenFeature.setProvider(new FlagwireWebProvider(key, {}), target);
      const client = OpenFeature.getClient();
      client.addHandler(ProviderEvents.ConfigurationChanged, () => done(client.getBooleanValue("flag", false)));`,
  },
};
