// The package beside what others bring to a page: agents that replace `fetch`, a service worker that answers requests, an ad blocker.

import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { root } from "../../scripts/lib/paths.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { servePage } from "../lib/bundle.mjs";
import { HURRY } from "../lib/powers.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { atEnd } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { counted, FLAGS } from "./support.mjs";

const browser = await startBrowser({ after });
const FOLDER = join(root, "tests", "browser");
const TRANSPORTS = /** @type {const} */ (["fetch", "eventsource"]);

/** Starts a client where the page's address says so. It comes after what the page has besides. */
const CLIENT = `
const [baseUrl, intake, streamTransport] = [...new URLSearchParams(location.search).values()];
async function begin() {
  const client = initialize("${CLIENT_KEY}", { identifier: "ada" }, { baseUrl, streamTransport, eventsInterval: 1_000 });
  const errors = [];
  const themes = [];
  client.on("error", ({ code, message }) => errors.push(code + " " + message));
  client.onFlag("theme", (value) => themes.push(value));
  Object.assign(window, { client, errors, themes });
  await client.ready();
}
`;

/**
 * A server, a proxy, a place to which agents report, and a page that runs the script.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string} script
 * @param {{ streamTransport?: string, onFolder?: (folder: string) => void, prepare?: (page: import("playwright-core").Page) => Promise<unknown> }} [options]
 *   `prepare` is called before the page is loaded
 */
async function open(t, script, { streamTransport = "fetch", onFolder, prepare } = {}) {
  const server = await startServer(t, { flags: FLAGS, args: ["--heartbeat-ms", "100"] });
  const proxy = await startProxy(t, server.url);
  const intake = await startIntake(t);
  const url = await servePage(t, FOLDER, `import { initialize } from "flagwire";\n${script}`, { onFolder });
  const page = await openPage(t, browser, "about:blank");
  await prepare?.(page);
  await page.goto(`${url}/?${new URLSearchParams({ server: proxy.url, intake: intake.url, streamTransport })}`);
  await page.waitForFunction(() => "client" in window);
  /** Changes the flag, and waits until the page's listeners hear of it. @param {string} from @param {string} to */
  const change = async (from, to) => {
    server.editFlags((text) => text.replace(`theme: ${from}`, `theme: ${to}`));
    await page.waitForFunction((to) => /** @type {any} */ (window).themes.at(-1) === to, to, { timeout: 0 });
  };
  await page.waitForFunction(() => /** @type {any} */ (window).themes[0] === "classic", undefined, { timeout: 0 });
  return { server, proxy, intake, page, change };
}

/** No error was reported, and each change once. @param {import("playwright-core").Page} page */
async function assertUnharmed(page) {
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).errors), []);
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).themes), ["classic", "ocean", "sunset"]);
}

/** Takes what agents report. @param {import("../lib/scope.mjs").Scope} t */
async function startIntake(t) {
  /** @type {string[]} */
  const reports = [];
  const server = createServer(async (request, response) => {
    reports.push(Buffer.concat(await request.toArray()).toString());
    response.writeHead(200, { "access-control-allow-origin": "*", "access-control-allow-headers": "*" }).end("{}");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  atEnd(t, () => (server.closeAllConnections(), server.close()));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  /** Waits for a report with the text; `press` makes the agent report. @param {string} text @param {() => Promise<unknown>} [press] */
  const reported = (text, press) =>
    until(`a report of ${text}`, async () => {
      await press?.();
      return reports.some((report) => report.includes(text));
    });
  return { url: `http://127.0.0.1:${port}`, reported };
}

/** Agents that wrap `fetch` and more. `own` shows that an agent's own work goes on. @type {Record<string, { script: string, own: (page: import("playwright-core").Page, intake: Awaited<ReturnType<typeof startIntake>>, proxy: import("../lib/proxy.mjs").Proxy) => Promise<void> }>} */
const AGENTS = {
  "Sentry, with traces in every request's headers": {
    script: `
      import * as Sentry from "@sentry/browser";
      Sentry.init({
        dsn: intake.replace("//", "//key@") + "/1",
        integrations: [Sentry.browserTracingIntegration()],
        tracesSampleRate: 1,
        tracePropagationTargets: [/./],
      });
      window.fail = () => { Sentry.captureException(new Error("of the page")); };
      await Sentry.startSpan({ name: "start", op: "test" }, begin);`,
    own: async (page, intake, proxy) => {
      assert.ok(proxy.requests.some(({ headers, path }) => path.includes("/evaluations") && headers["sentry-trace"]), "the trace goes on in our requests");
      await page.evaluate(() => /** @type {any} */ (window).fail());
      await intake.reported("of the page");
      await intake.reported("/client/auth");
    },
  },
  "Datadog, with traces in every request's headers": {
    script: `
      import { datadogRum } from "@datadog/browser-rum";
      datadogRum.init({
        applicationId: "00000000-0000-0000-0000-000000000000",
        clientToken: "pub0",
        service: "shop",
        proxy: intake,
        sessionSampleRate: 100,
        trackResources: true,
        allowedTracingUrls: [/./],
        traceSampleRate: 100,
        allowUntrustedEvents: true,
      });
      window.fail = () => datadogRum.addError(new Error("of the page"));
      await begin();`,
    own: async (page, intake, proxy) => {
      assert.ok(proxy.requests.some(({ headers, path }) => path.includes("/evaluations") && headers["x-datadog-trace-id"]), "the trace goes on in our requests");
      await page.evaluate(() => /** @type {any} */ (window).fail());
      // It reports what it has by then when the page is looked away from, else after half a minute.
      const lookAway = () =>
        page.evaluate(() => {
          Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
          document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
        });
      await intake.reported("of the page", lookAway);
      await intake.reported("/client/auth", lookAway);
    },
  },
  "zone.js, in a zone of the application": {
    script: `
      import "zone.js";
      const zone = Zone.current.fork({ name: "application" });
      window.zoneOf = (start) => zone.run(() => new Promise((resolve) => start(() => resolve(Zone.current.name))));
      await zone.run(begin);`,
    own: async (page) => {
      const zones = await page.evaluate(() => {
        const { zoneOf, client } = /** @type {any} */ (window);
        return Promise.all([
          zoneOf((/** @type {() => void} */ done) => setTimeout(done)),
          zoneOf((/** @type {() => void} */ done) => fetch("/").then(done)),
          zoneOf((/** @type {() => void} */ done) => client.ready().then(done)),
        ]);
      });
      assert.deepEqual(zones, ["application", "application", "application"]);
    },
  },
};

for (const [agent, { script, own }] of Object.entries(AGENTS)) {
  for (const streamTransport of TRANSPORTS) {
    test(`flags and live changes beside ${agent}: ${streamTransport}`, async (t) => {
      const { page, proxy, intake, change } = await open(t, CLIENT + script, { streamTransport });
      await proxy.until(() => proxy.streams.size === 1);
      await change("classic", "ocean");
      await own(page, intake, proxy);
      await change("ocean", "sunset");
      await assertUnharmed(page);
      await page.evaluate(() => /** @type {any} */ (window).client.close());
      await proxy.until(() => proxy.streams.size === 0);
    });
  }
}

for (const streamTransport of TRANSPORTS) {
  test(`flags and live changes behind MSW's service worker: ${streamTransport}`, async (t) => {
    const script = `
      import { http, HttpResponse } from "msw";
      import { setupWorker } from "msw/browser";
      const worker = setupWorker(http.get("/api/user", () => HttpResponse.json({ name: "Ada" })));
      await worker.start({ quiet: true, onUnhandledRequest: "bypass" });
      await begin();`;
    const onFolder = (/** @type {string} */ folder) => copyFileSync(join(FOLDER, "node_modules", "msw", "lib", "mockServiceWorker.js"), join(folder, "mockServiceWorker.js"));
    const { page, proxy, change } = await open(t, CLIENT + script, { streamTransport, onFolder });
    await proxy.until(() => proxy.streams.size === 1);
    await change("classic", "ocean");
    assert.ok(await page.evaluate(() => navigator.serviceWorker.controller !== null), "the worker has the page");
    assert.deepEqual(await page.evaluate(() => fetch("/api/user").then((reply) => reply.json())), { name: "Ada" });
    await change("ocean", "sunset");
    await assertUnharmed(page);
    // MSW copies every reply for its own listeners, and the copy of a stream keeps it open on the way to the server when the page has ended its own:
    // that it is closed there cannot be awaited.
  });
}

describe("an ad blocker", () => {
  /** What blockers' lists have. */
  const BLOCKED = { metrics: "**/metrics/**", "the stream": "**/stream*" };
  for (const [what, pattern] of Object.entries(BLOCKED)) {
    for (const streamTransport of TRANSPORTS) {
      test(`that blocks ${what}: flags and changes arrive, and the console says it once: ${streamTransport}`, async (t) => {
        let blocked = 0;
        /** @type {string[]} */
        const said = [];
        const prepare = async (/** @type {import("playwright-core").Page} */ page) => {
          page.on("console", (message) => message.text().startsWith("Flagwire") && said.push(message.text()));
          await page.addInitScript(HURRY);
          await page.route(pattern, (route) => ((blocked += 1), route.abort("blockedbyclient")));
        };
        const { page, proxy, change } = await open(t, `${CLIENT} await begin();`, { streamTransport, prepare });
        await page.evaluate(() => /** @type {any} */ (window).client.variation("dark", false));
        await page.evaluate(() => /** @type {any} */ (window).client.flush());
        await until("a request to be blocked", () => blocked > 0);
        await change("classic", "ocean");
        await page.evaluate(() => /** @type {any} */ (window).client.variation("dark", false));
        await change("ocean", "sunset");
        assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).themes), ["classic", "ocean", "sunset"]);
        // Where the page's time is short, a request of a busy machine may fail, too: that is another sentence.
        assert.equal(new Set(said).size, said.length, said.join("\n"));
        assert.ok(said.filter((text) => text.startsWith("Flagwire: network, ")).length <= 1, said.join("\n"));
        // Let through, it works again.
        await page.unroute(pattern);
        if (what === "metrics") await proxy.until(() => counted(proxy, ({ featureIdentifier }) => featureIdentifier === "dark") === 2);
        else await proxy.until(() => proxy.streams.size === 1);
      });
    }
  }
});
