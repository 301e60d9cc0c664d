// The React SDK of Harness on `flagwire/harness`, or what takes its place: every export of it.

const { readFileSync, writeFileSync } = require("node:fs");
const { act, createElement: h } = require("react");
const { createRoot } = require("react-dom/client");
const sdk = require("@harnessio/ff-react-client-sdk");
const { TestWrapper } = require("@harnessio/ff-react-client-sdk/dist/cjs/test-utils");

globalThis.IS_REACT_ACT_ENVIRONMENT = true;

const { FFContextProvider, ifFeatureFlag, useFeatureFlag, useFeatureFlags, useFeatureFlagsClient, useFeatureFlagsLoading, withFeatureFlags, withFeatureFlagsClient } = sdk;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const options = { baseUrl: process.env.SERVER, eventUrl: process.env.SERVER, logger: quiet };
const target = { identifier: "user-42", name: "Ada", attributes: { plan: "gold" } };

let root;
beforeEach(() => {
  document.body.innerHTML = '<div id="root"></div>';
  root = createRoot(document.getElementById("root"));
});
afterEach(() => act(async () => root.unmount()));

/** Waits until the page's text is this. */
async function shows(text) {
  while (document.body.textContent !== text) await act(() => new Promise((resolve) => setTimeout(resolve, 20)));
}

const render = (app, more = {}) => act(async () => root.render(h(FFContextProvider, { apiKey: "flagwire-dev-client-key", target, options, fallback: "waiting", ...more }, app)));

test("these are the exports, and each is used below", () => {
  expect(Object.keys(sdk).filter((name) => name !== "TestWrapper").sort()).toEqual([
    "Event",
    "FFContext",
    "FFContextProvider",
    "ifFeatureFlag",
    "useFeatureFlag",
    "useFeatureFlags",
    "useFeatureFlagsClient",
    "useFeatureFlagsLoading",
    "withFeatureFlags",
    "withFeatureFlagsClient",
  ]);
});

test("FFContextProvider, useFeatureFlag and useFeatureFlagsLoading: the fallback, then flags, then a change", async () => {
  const App = () => `${useFeatureFlag("theme", "none")} ${useFeatureFlag("no-such-flag", "default")} ${useFeatureFlagsLoading()}`;
  await render(h(App));
  expect(document.body.textContent).toBe("waiting");
  await shows("classic default false");
  writeFileSync(process.env.FLAGS, readFileSync(process.env.FLAGS, "utf8").replace("default: classic", "default: ocean"));
  await shows("ocean default false");
});

test("useFeatureFlags: all, some, some with defaults", async () => {
  const App = () => JSON.stringify([Object.keys(useFeatureFlags()).length, useFeatureFlags(["dark-mode"]), useFeatureFlags({ "page-size": 1, missing: 2 })]);
  await render(h(App));
  await shows(JSON.stringify([5, { "dark-mode": false }, { "page-size": 4, missing: 2 }]));
});

test("useFeatureFlagsClient and FFContext give the client", async () => {
  const { useContext } = require("react");
  const changed = jest.fn();
  const App = () => {
    const client = useFeatureFlagsClient();
    client.on(sdk.Event.CHANGED, changed);
    return JSON.stringify([client.variation("dark-mode", true), useContext(sdk.FFContext).client === client]);
  };
  await render(h(App));
  await shows(JSON.stringify([false, true]));
});

test("ifFeatureFlag shows a component where the flag is on, and else another", async () => {
  const Free = ifFeatureFlag("free-shipping")(() => "free");
  const Dark = ifFeatureFlag("dark-mode")(() => "dark");
  await render(h("p", null, h(Free), h(Dark)));
  await shows("free");
});

test("withFeatureFlags and withFeatureFlagsClient pass props", async () => {
  const Flags = withFeatureFlags(({ flags }) => `${flags["page-size"]} `);
  const Client = withFeatureFlagsClient(({ featureFlagsClient }) => String(featureFlagsClient.variation("page-size", 0)));
  await render(h("p", null, h(Flags), h(Client)));
  await shows("4 4");
});

test("a wrong key leaves the defaults, and says so", async () => {
  const failed = jest.fn();
  const App = () => String(useFeatureFlag("theme", "none"));
  await render(h(App), { apiKey: "no-such-key", onError: failed });
  await shows("none");
  expect(failed.mock.calls[0][0]).toBe("auth error");
});

test("asynchronous mode renders at once", async () => {
  const App = () => `${useFeatureFlagsLoading()} ${useFeatureFlag("page-size", 0)}`;
  await render(h(App), { asyncMode: true });
  await shows("false 4");
});

test("TestWrapper gives flags to components, and a client that is a mock", async () => {
  let client;
  const App = () => ((client = useFeatureFlagsClient()), JSON.stringify([useFeatureFlag("theme", "none"), useFeatureFlag("missing", "default"), useFeatureFlags(), useFeatureFlagsLoading()]));
  const wrapped = (flags, loading) => act(async () => root.render(h(TestWrapper, { flags, loading }, h(App))));
  await wrapped({ theme: "ocean" });
  expect(document.body.textContent).toBe(JSON.stringify(["ocean", "default", { theme: "ocean" }, false]));
  expect(client.variation).toHaveBeenCalledWith("missing", "default");
  for (const method of ["on", "off", "close", "setEvaluations", "registerAPIRequestMiddleware", "refreshEvaluations"]) expect(client[method]).not.toHaveBeenCalled();
  jest.resetAllMocks();
  await wrapped({ theme: "classic" }, true);
  expect(document.body.textContent).toBe(JSON.stringify(["classic", "default", { theme: "classic" }, true]));
});
