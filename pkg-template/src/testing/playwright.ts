/**
 * Flags for Playwright: pages under test are served by a small protocol server of the test's own, whose flags the test changes while pages
 * are open.
 *
 * ```ts
 * import { expect, test } from "flagwire/testing/playwright";
 *
 * test.use({ flagwireUrl: "https://flags.example.com", initialFlags: { "show-banner": false } });
 *
 * test("the banner follows its flag", async ({ page, flags }) => {
 *   await page.goto("/");
 *   await flags.set("show-banner", true);
 *   await expect(page.getByText("Sale")).toBeVisible();
 * });
 * ```
 *
 * @packageDocumentation
 */

import { test as base, type BrowserContext, type PlaywrightTestArgs, type PlaywrightTestOptions, type PlaywrightWorkerArgs, type PlaywrightWorkerOptions, type Route, type TestType } from "@playwright/test";
import type { FlagDefault, FlagName } from "../flags";
import type { Target } from "../types";
import type { TestFlags } from "./flags";
import { startServer, type FlagServer } from "./http";
import { CORS, HEARTBEAT, HEARTBEAT_MS, PageFlags } from "./protocol";
import { TargetOverrides } from "./overrides";

export { expect } from "@playwright/test";

/** Options of the fixture `flags`: in `use` of the configuration, or by `test.use` in a file. */
export interface FlagwireFixtureOptions {
  /**
   * The `baseUrl` that the application gives its client. Requests that go there are answered by the test.
   * @default nothing is intercepted: let the application use `flags.url`
   */
  flagwireUrl: string | undefined;
  /**
   * The flags that a test begins with. Others cannot be set.
   * @default none
   */
  initialFlags: TestFlags;
}

/** The fixture `flags`. */
export interface FlagsFixture {
  /** Changes a flag, or several at once. Open pages follow by their streams, so wait with `expect` for what they show. */
  set<N extends FlagName>(flag: N, value: FlagDefault<N>): Promise<void>;
  set(flags: TestFlags): Promise<void>;
  /** Removes a flag; open pages return their default for it. With a real server, ends what the test has set. */
  remove(flag: FlagName): Promise<void>;
  /** The targets that pages have signed in with, in their order. */
  readonly targets: readonly Target[];
  /** The base URL of the worker's server, or of the real one that the environment variable `FLAGWIRE_URL` names. */
  readonly url: string;
}

/**
 * The `test` of Playwright with the fixture `flags`, which is there in every test. Combine it with others by `mergeTests`.
 *
 * With the environment variable `FLAGWIRE_URL` the same tests run against a `flagwire-server`: what a test sets becomes an override of the
 * targets of its pages, and ends with the test. `FLAGWIRE_ADMIN_TOKEN` is the server's admin token, where it has one. The application must use that server.
 */
export const test: TestType<
  PlaywrightTestArgs & PlaywrightTestOptions & FlagwireFixtureOptions & { flags: FlagsFixture },
  PlaywrightWorkerArgs & PlaywrightWorkerOptions & { flagwireServer: FlagServer | undefined }
> = base.extend<FlagwireFixtureOptions & { flags: FlagsFixture }, { flagwireServer: FlagServer | undefined }>({
  flagwireUrl: [undefined, { option: true }],
  initialFlags: [{}, { option: true }],
  flagwireServer: [
    // Playwright reads the names of the fixtures from the pattern.
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const server = realServer() ? undefined : await startServer();
      await use(server);
      await server?.close();
    },
    { scope: "worker" },
  ],
  flags: [
    async ({ context, flagwireUrl, initialFlags, flagwireServer }, use) => {
      if (!flagwireServer) {
        const overrides = new TargetOverrides(realServer()!, environment()["FLAGWIRE_ADMIN_TOKEN"], initialFlags);
        await context.route(/\/client\/auth$/, async (route) => {
          await overrides.signIn(route.request().postData() ?? "");
          await route.fallback();
        });
        try {
          await use(overrides);
        } finally {
          await overrides.end();
        }
        return;
      }
      const flags = new PageFlags(initialFlags);
      flagwireServer.serve(flags);
      const push = flagwireUrl === undefined ? async () => {} : await intercept(context, flagwireUrl.replace(/\/+$/, ""), flags, flagwireServer);
      const fixture: FlagsFixture = {
        set: async (flag: unknown, value?: unknown) => {
          flags.set(flag as never, value as never);
          await push();
        },
        remove: async (flag) => {
          flags.remove(flag);
          await push();
        },
        get targets() {
          return flags.targets;
        },
        url: flagwireServer.url,
      };
      await use(fixture);
    },
    { auto: true },
  ],
});

/** Lets the test answer what pages ask of `base`. Returns what waits until open pages have got the last changes. */
async function intercept(context: BrowserContext, base: string, flags: PageFlags, server: FlagServer): Promise<() => Promise<void>> {
  const pattern = (url: URL) => url.href.startsWith(`${base}/`);
  if (base.startsWith("http:")) {
    await context.route(pattern, (route) => route.continue({ url: server.url + route.request().url().slice(base.length) }));
    return async () => {};
  }
  // A request keeps its scheme, so these are answered here. An answer given here is complete at once: streams are opened in the page.
  await context.route(pattern, async (route: Route) => {
    const request = route.request();
    const reply = flags.answer(request.method(), request.url(), request.postData() ?? "");
    await (reply ? route.fulfill({ ...reply, headers: { ...reply.headers }, body: reply.body ?? HEARTBEAT }) : route.fulfill({ status: 404, headers: CORS }));
  });
  await context.addInitScript(openStreams, { url: `${base}/stream`, heartbeat: HEARTBEAT, everyMs: HEARTBEAT_MS });
  let sent = Promise.resolve();
  flags.listen((events) => {
    const frames = context.pages().flatMap((page) => page.frames());
    // A frame that goes meanwhile fetches everything again.
    const deliveries = frames.map((frame) => frame.evaluate((text) => (window as Streams).flagwireStreams?.forEach((send) => send(text)), events).catch(() => {}));
    sent = Promise.all([sent, ...deliveries]).then(() => {});
  });
  return () => sent;
}

type Streams = Window & { flagwireStreams?: Set<(text: string) => void> };

/** Runs in pages: answers requests for a stream with one that the test writes to. */
function openStreams({ url, heartbeat, everyMs }: { url: string; heartbeat: string; everyMs: number }): void {
  const real = window.fetch;
  const streams = ((window as Streams).flagwireStreams = new Set<(text: string) => void>());
  window.fetch = async (...[input, init]: Parameters<typeof fetch>) => {
    const asked = String(input instanceof Request ? input.url : input);
    if (asked.split("?")[0] !== url) return real.call(window, input, init);
    const encoder = new TextEncoder();
    let end = () => {};
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => {
        const send = (text: string) => stream.enqueue(encoder.encode(text));
        const timer = setInterval(() => send(heartbeat), everyMs);
        streams.add(send);
        end = () => {
          streams.delete(send);
          clearInterval(timer);
        };
        (init?.signal ?? (input as Partial<Request>).signal)?.addEventListener("abort", () => {
          end();
          stream.error(new DOMException("The stream was ended", "AbortError"));
        });
        send(heartbeat);
      },
      cancel: () => end(),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
}

function environment(): Record<string, string | undefined> {
  return (globalThis as unknown as { process: { env: Record<string, string | undefined> } }).process.env;
}

function realServer(): string | undefined {
  return environment()["FLAGWIRE_URL"]?.replace(/\/+$/, "");
}
