// The same components with the published `@harnessio/ff-react-client-sdk` and with `flagwire/harness/react` in its place, in Chromium, with
// React 18 and 19: what is rendered, what the client is asked and what callbacks get is the same, call by call.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { run } from "../../scripts/lib/run.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { bundleForNode, servePage } from "../lib/bundle.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { gate } from "../lib/wait.mjs";

const PUBLISHED = "@harnessio/ff-react-client-sdk";
const browser = await startBrowser({ after });
/** The published client takes any JSON that it fetched again for changed. */
const WITHOUT_JSON = FLAGS.replace(/ {2}limits:[^]*?(?= {2}free-shipping)/, "");

const COMPONENTS = `
import { StrictMode, useContext, useEffect, useLayoutEffect, useRef } from "react";
import * as sdk from "${PUBLISHED}";

const { FFContext, FFContextProvider, ifFeatureFlag, useFeatureFlag, useFeatureFlags, useFeatureFlagsClient, useFeatureFlagsLoading, withFeatureFlags, withFeatureFlagsClient } = sdk;
/** With the commit, so that it has its place in the order of what is noted. */
const useAtOnce = typeof document === "object" ? useLayoutEffect : useEffect;
const nothing = () => {};
const quiet = { debug: nothing, info: nothing, warn: nothing, error: nothing };
const log = (globalThis.log = []);
const told = (key, value) => (value === undefined ? "undefined" : typeof value === "function" ? "function" : value);
const note = (...entry) => void log.push(JSON.parse(JSON.stringify(entry, told)));
const sorted = (flags) => Object.entries(flags).sort(([one], [other]) => (one < other ? -1 : 1));

/** Notes what the client is asked from here on. */
function Watched({ children }) {
  const client = useFeatureFlagsClient();
  if (client && !client.watched) {
    client.watched = true;
    note("watched");
    for (const method of ["variation", "setEvaluations", "close"]) {
      const original = client[method];
      client[method] = (...args) => (note("call", method, ...args), original(...args));
    }
  }
  return children;
}
function Values() {
  const values = [useFeatureFlag("theme", "none"), useFeatureFlag("free-shipping", "none"), useFeatureFlag("page-size", 1), useFeatureFlag("missing")];
  const loading = useFeatureFlagsLoading();
  const client = useFeatureFlagsClient();
  const context = useContext(FFContext);
  note("values", values, loading, !!client, context.client === client, context.loading, sorted(context.flags ?? {}));
  useAtOnce(() => (note("mounted"), () => note("unmounted")), []);
  return <><p id="values">{JSON.stringify([...values, !!loading])}</p><p id="names">{Object.keys(context.flags ?? {}).sort().join(" ")}</p></>;
}
function Several() {
  const last = useRef();
  const several = [useFeatureFlags(), useFeatureFlags(["dark-mode", "missing"]), useFeatureFlags({ "page-size": 1, missing: { a: 1 } })];
  note("several", several.map(sorted), last.current?.map((one, index) => one === several[index]));
  last.current = several;
  return null;
}
const named = (name) => (props) => (note(name, Object.keys(props).sort(), typeof props.flags, props.loading, typeof props.featureFlagsClient), <i>{name}</i>);
const hocs = [
  ifFeatureFlag("free-shipping")(named("on")),
  ifFeatureFlag("dark-mode")(named("off")),
  ifFeatureFlag("dark-mode", { matchValue: false, loadingFallback: <b>later</b> })(named("matching")),
  ifFeatureFlag("theme", { matchValue: "ocean" })(named("ocean")),
  ifFeatureFlag("missing", { matchValue: undefined })(named("missing")),
  ifFeatureFlag("missing", { matchValue: false })(named("missing, matching")),
  withFeatureFlags(named("with flags")),
  withFeatureFlagsClient(named("with client")),
];
function Wrapped() {
  return <p id="wrapped">{hocs.map((Hoc, index) => <Hoc key={index} own="prop" />)}{(() => { const Own = hocs[6]; return <Own flags={1} loading="mine" />; })()}</p>;
}
const All = () => <><Values /><Several /><Wrapped /></>;
const parts = { Values, Several, Wrapped, All };
function Fallback() {
  note("fallback");
  return <p id="fallback">waiting</p>;
}
/** Options are another object at each render, as they are where they are written in place. */
function App({ strict, part = "Values", bare, options, callbacks = "first", ...props }) {
  const Part = parts[part];
  const given = {
    ...props,
    options: options && { ...options, logger: quiet },
    onError: (event, error) => note("error", callbacks, event, typeof error, event === "PropsError" && error),
    onFlagNotFound: (flag, loading) => note("not found", callbacks, flag, loading),
    ...(!bare && { fallback: <Fallback /> }),
  };
  const app = <FFContextProvider {...given}><Watched><Part /></Watched></FFContextProvider>;
  return strict ? <StrictMode>{app}</StrictMode> : app;
}
`;
const SCRIPT = `${COMPONENTS}
import { createRoot } from "react-dom/client";
import { flushSync } from "react-dom";
console.error = (...args) => String(args[0]).startsWith("[FF-SDK]") && note("console", args[0]);
const root = createRoot(document.getElementById("root"));
let shown;
window.show = (props) => flushSync(() => root.render(<App {...(shown = { ...shown, ...props })} />));
window.outside = (part) => flushSync(() => root.render(((Part) => <Part />)(parts[part])));
window.end = () => flushSync(() => root.unmount());
window.names = Object.keys(sdk).sort();
window.displayName = FFContextProvider.displayName;
const { TestWrapper } = { ...sdk };
window.withTestWrappers = (flags, others) => flushSync(() => root.render(<TestWrapper flags={flags}><Values /><TestWrapper flags={others} loading><Several /></TestWrapper></TestWrapper>));
`;

/** @typedef {{ url: string, alias: Record<string, string> }} Library */

/** Waits until the page shows a text. @param {import("playwright-core").Page} page @param {string} selector @param {string} text */
async function until(page, selector, text) {
  try {
    await page.waitForFunction(([selector, text]) => document.querySelector(selector)?.textContent === text, /** @type {const} */ ([selector, text]));
  } catch (error) {
    const [url, shown] = await page.evaluate((selector) => [location.href, document.querySelector(selector)?.textContent], selector);
    throw new Error(`${url} never showed ${text} in ${selector}; it shows ${shown}`, { cause: error });
  }
}

/** Waits until something was noted, since the page was opened or the log taken. @param {import("playwright-core").Page} page @param {...unknown} start what the entry begins with */
const noted = (page, ...start) => page.waitForFunction((start) => window.log.some((entry) => start.every((value, place) => entry[place] === value)), start);

/** Keeps a page from signing in until the returned function is called. @param {import("playwright-core").Page} page @returns {Promise<() => void>} */
async function heldBack(page) {
  const { opened, open } = gate();
  await page.route("**/client/auth", async (route) => {
    await opened;
    await route.continue();
  });
  return open;
}

/** @param {unknown[]} values the last says whether there are none yet */
const shown = (...values) => JSON.stringify(values);
const READY = shown("classic", true, 4, null, false);
const OCEAN = shown("ocean", true, 4, null, false);
const NONE = shown("none", "none", 1, null, false);

for (
  const [version, react] of /** @type {const} */ ([
    ["18", { react: "react-18", "react-dom": "react-dom-18" }],
    ["19", {}],
  ])
) {
  describe(`React ${version}`, async () => {
    const libraries = await Promise.all(
      [false, true].map(async (ours) => {
        const alias = { ...react, ...(ours && { [PUBLISHED]: "flagwire/harness/react" }) };
        return { alias, url: await servePage({ after }, import.meta.dirname, SCRIPT, { alias }) };
      }),
    );

    /**
     * A test of a story: played with both libraries, and what was noted, and what the story returns, compared.
     *
     * @param {string} name
     * @param {(page: import("playwright-core").Page, given: { server: import("../lib/server.mjs").TestServer, props: Record<string, any>, show: (props: object) => Promise<void>, t: import("../lib/scope.mjs").Scope }) => Promise<unknown>} story
     */
    function same(name, story) {
      test(name, async (t) => {
        const play = async (/** @type {Library} */ library) => {
          const server = await startServer(t, { flags: WITHOUT_JSON });
          const page = await openPage(t, browser, library.url);
          const props = { apiKey: CLIENT_KEY, target: TARGET, options: { baseUrl: server.url, eventUrl: server.url } };
          const show = (/** @type {object} */ given) => page.evaluate((given) => window.show(given), given);
          const result = await story(page, { server, props, show, t });
          return { result, log: await page.evaluate(() => window.log) };
        };
        const [published, ours] = await Promise.all(libraries.map(play));
        assert.ok(published?.log.length);
        assert.deepEqual(ours, published);
      });
    }

    test("exports the same names, and TestWrapper", async (t) => {
      const [published, ours] = await Promise.all(libraries.map(async ({ url }) => (await openPage(t, browser, url)).evaluate(() => [...window.names, window.displayName])));
      assert.deepEqual(ours?.filter((name) => name !== "TestWrapper"), published);
      assert.ok(ours?.includes("TestWrapper"));
    });

    for (const props of [{}, { asyncMode: true }, { strict: true }]) {
      same(`starts, changes, creates, deletes and unmounts with ${JSON.stringify(props)}`, async (page, { server, props: basic, show }) => {
        await show({ ...basic, ...props, part: "All" });
        await until(page, "#values", READY);
        await server.stream();
        server.editFlags((text) => text.replace("default: classic", "default: ocean"));
        await until(page, "#values", OCEAN);
        server.editFlags((text) => text.replace("flags:\n", "flags:\n  brand-new: 7\n"));
        await until(page, "#names", "brand-new dark-mode free-shipping page-size theme");
        server.editFlags((text) => text.replace("  brand-new: 7\n", ""));
        await until(page, "#names", "dark-mode free-shipping page-size theme");
        return page.evaluate(() => [document.body.innerHTML, window.end(), document.body.innerHTML]);
      });
    }

    if (version === "19") {
      same("misses no change from the moment in which the server has its stream, however late that is", async (page, { server, props, show, t }) => {
        const proxy = await startProxy(t, server.url);
        // Its preflight passes at once.
        proxy.decide = ({ stream }) => (stream ? { delayMs: 500 } : {});
        await show({ ...props, options: { baseUrl: proxy.url, eventUrl: proxy.url } });
        await until(page, "#values", READY);
        await server.stream();
        server.editFlags((text) => text.replace("default: classic", "default: ocean"));
        await until(page, "#values", OCEAN);
      });
    }

    same("shows its own fallback, and stays with defaults after a wrong key", async (page, { props, show }) => {
      const signIn = await heldBack(page);
      await show({ ...props, apiKey: "no-such-key", bare: true });
      const fallback = await page.evaluate(() => document.body.innerHTML);
      signIn();
      await until(page, "#values", NONE);
      return fallback;
    });

    same("starts with initial evaluations", async (page, { props, show }) => {
      const signIn = await heldBack(page);
      const initialEvaluations = [
        { flag: "theme", identifier: "ocean", value: "ocean", kind: "string" },
        { flag: "free-shipping", identifier: "true", value: true, kind: "boolean" },
      ];
      await show({ ...props, initialEvaluations });
      await until(page, "#values", shown("ocean", true, 1, null, false));
      signIn();
      await until(page, "#values", READY);
    });

    same("starts with what the cache holds", async (page, { server, props, show }) => {
      const options = { ...props.options, cache: true };
      await show({ ...props, options });
      await until(page, "#values", READY);
      await page.waitForFunction(() => localStorage.length === 2);
      await page.evaluate(() => window.end());
      server.editFlags((text) => text.replace("default: classic", "default: ocean"));
      await server.line(/"flags loaded".*"changes":1/);
      const signIn = await heldBack(page);
      await page.reload();
      await page.waitForFunction(() => window.show);
      await show({ ...props, options });
      await until(page, "#values", READY);
      signIn();
      await until(page, "#values", OCEAN);
    });

    same("says which prop is missing, and starts once it is there", async (page, { props, show }) => {
      for (const given of [{ ...props, apiKey: undefined, target: undefined }, { target: { name: "nobody" } }, { target: TARGET }, { apiKey: CLIENT_KEY }]) await show(given);
      await until(page, "#values", READY);
    });

    same("makes another client for another target, server, key or way to listen, and for nothing else", async (page, { props, show, t }) => {
      const other = await startServer(t, { flags: WITHOUT_JSON.replace("default: classic", "default: ocean") });
      await show({ ...props, asyncMode: version === "19" });
      await until(page, "#values", READY);
      // Equal objects, and other options: no other client.
      await show({ target: { ...TARGET }, options: { ...props.options, pollingInterval: 90_000, debug: false } });
      await show({ target: { identifier: "user-43" } });
      await until(page, "#values", shown("classic", false, 4, null, false));
      const options = { baseUrl: other.url, eventUrl: other.url };
      for (const [index, more] of [{}, { streamEnabled: false }, { streamEnabled: false, enableAnalytics: false }].entries()) {
        await show({ options: { ...options, ...more } });
        await page.waitForFunction((clients) => window.log.filter(([name]) => name === "watched").length === clients, index + 3);
        await until(page, "#values", shown("ocean", false, 4, null, false));
      }
      await show({ apiKey: "no-such-key" });
      await until(page, "#values", NONE);
    });

    same("reads outside of a provider", (page) => page.evaluate(() => (window.outside("All"), document.body.innerHTML)));

    test("a server renders the same", async (t) => {
      const html = await Promise.all(
        libraries.map(async ({ alias }) => {
          const script = `${COMPONENTS}
import { renderToString } from "react-dom/server";
const props = { apiKey: "key", target: ${JSON.stringify(TARGET)}, options: {} };
for (const more of [{}, { bare: true }, { asyncMode: true }, { asyncMode: true, part: "All" }]) console.log(renderToString(<App {...props} {...more} />));
console.log(JSON.stringify(log));`;
          const { code, output } = await run(process.execPath, [await bundleForNode(t, import.meta.dirname, script, { alias })]);
          assert.equal(code, 0, output);
          return output;
        }),
      );
      assert.match(String(html[0]), /Loading\.\.\..*\n.*none/);
      assert.equal(html[1], html[0]);
    });

    // What makes the difference is the entry, whatever React.
    if (version !== "19") return;
    describe("differs on purpose", () => {
      const ours = /** @type {Library} */ (libraries[1]);

      test("initial evaluations that are written in place make no new client at each render, others do", async (t) => {
        const server = await startServer(t, { flags: WITHOUT_JSON });
        const page = await openPage(t, browser, ours.url);
        const show = (/** @type {string} */ value) =>
          page.evaluate(
            ([props, value]) => window.show({ ...props, initialEvaluations: [{ flag: "missing", identifier: "a", value, kind: "string" }] }),
            /** @type {const} */ ([{ apiKey: CLIENT_KEY, target: TARGET, options: { baseUrl: server.url, eventUrl: server.url } }, value]),
          );
        const signIns = async () => (await server.answered()).filter(({ method, path }) => method === "POST" && path.endsWith("/client/auth")).length;
        await show("a");
        await until(page, "#values", READY);
        await show("a");
        await show("a");
        await show("b");
        await noted(page, "call", "close");
        await until(page, "#values", READY);
        assert.equal(await signIns(), 2);
      });

      test("callbacks are those of the last render", async (t) => {
        const server = await startServer(t, { flags: WITHOUT_JSON });
        const page = await openPage(t, browser, ours.url);
        await page.evaluate((props) => window.show(props), { apiKey: CLIENT_KEY, target: TARGET, options: { baseUrl: server.url, eventUrl: server.url } });
        await noted(page, "not found", "first");
        await page.evaluate(() => window.show({ callbacks: "second" }));
        await page.evaluate(() => (window.log.splice(0), window.show({})));
        assert.deepEqual((await page.evaluate(() => window.log)).find(([name]) => name === "not found")?.[1], "second");
      });

      test("a TestWrapper needs no Jest, and reads its own flags alone", async (t) => {
        const page = await openPage(t, browser, ours.url);
        await page.evaluate(() => window.withTestWrappers({ theme: "ocean", "free-shipping": false }, { "dark-mode": true, toString: 1 }));
        assert.equal(await page.locator("#values").textContent(), shown("ocean", false, 1, null, false));
        const several = await page.evaluate(() => window.log.find(([name]) => name === "several"));
        assert.deepEqual(several?.[1], [[["dark-mode", true], ["toString", 1]], [["dark-mode", true], ["missing", "undefined"]], [["missing", { a: 1 }], ["page-size", 1]]]);
        await page.evaluate(() => window.withTestWrappers({ theme: "classic" }, {}));
        assert.equal(await page.locator("#values").textContent(), shown("classic", "none", 1, null, false));
      });
    });
  });
}
