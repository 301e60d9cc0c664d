// Servers and networks that misbehave, on both transports.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { startClient, told, untilServed, untilTold } from "../lib/client-page.mjs";
import { gate } from "../lib/wait.mjs";
import { edit, isFetchOfAll, isSignIn, isStream, setUp, untilSettled } from "./support.mjs";

const browser = await startBrowser({ after });

for (const transport of ["fetch", "eventsource"]) {
  test(`changes made while the server was dead are seen when it is back: ${transport}`, async (t) => {
    const { server, proxy, page } = await setUp(t, browser);
    await startClient(page, proxy.url, { options: { streamTransport: transport } });
    await untilSettled(proxy);
    await server.kill();
    await untilServed(page, "theme", "classic"); // what was there is still served
    server.editFlags((text) => text.replace("classic", "sunset"));
    await server.start();
    await untilServed(page, "theme", "sunset");
    await proxy.until(() => proxy.streams.size === 1);
    await edit(server, (text) => text.replace("sunset", "ocean"));
    await untilServed(page, "theme", "ocean");
    const { changes } = await told(page);
    assert.deepEqual(changes.filter(({ flag }) => flag === "theme").map(({ value }) => value), ["classic", "sunset", "ocean"]);
  });

  test(`a change between the list and the opening of the stream is seen: ${transport}`, async (t) => {
    const { server, proxy, page } = await setUp(t, browser);
    const { opened, open } = gate();
    proxy.decide = ({ stream }) => (stream ? { passAfter: opened } : {});
    await startClient(page, proxy.url, { options: { streamTransport: transport } });
    await untilServed(page, "theme", "classic");
    await proxy.until(() => proxy.requests.some(isStream));
    await edit(server, (text) => text.replace("classic", "sunset"));
    open();
    await untilServed(page, "theme", "sunset");
  });

  test(`events that arrive byte by byte are understood: ${transport}`, async (t) => {
    const { server, proxy, page } = await setUp(t, browser, { flags: "flags:\n  theme: öäü-😀\n" });
    proxy.decide = () => ({ split: true });
    await startClient(page, proxy.url, { options: { streamTransport: transport } });
    await untilSettled(proxy);
    await edit(server, () => "flags:\n  theme: 😀-ß\n");
    await untilServed(page, "theme", "😀-ß");
    const { events } = await told(page);
    assert.deepEqual(events.filter(({ event }) => event === "stream error"), []);
    assert.equal(proxy.count(({ path }) => path.endsWith("/evaluations/theme")), 0, "it came with the event");
  });

  test(`an event that cannot be read is reported and skipped, and no change is lost: ${transport}`, async (t) => {
    const { server, proxy, page } = await setUp(t, browser);
    let spoil = false;
    proxy.decide = ({ stream }) => (stream ? { corrupt: (event) => (spoil && event.includes('data: {"') && !event.includes("heartbeat") ? Buffer.from('event: *\ndata: {"event":\n\n') : event) } : {});
    await startClient(page, proxy.url, { options: { streamTransport: transport } });
    await untilSettled(proxy);
    const [stream] = proxy.streams.keys();
    spoil = true;
    await edit(server, (text) => text.replace("classic", "sunset"));
    await untilTold(page, "stream error");
    spoil = false;
    await edit(server, (text) => text.replace("size: 10", "size: 20"));
    await untilServed(page, "size", 20);
    await untilServed(page, "theme", "sunset");
    assert.deepEqual([...proxy.streams.keys()], [stream], "the stream goes on");
    const { events } = await told(page);
    assert.equal(events.find(({ event }) => event === "stream error")?.code, "malformed");
  });

  test(`a stream refused with 401 leads to one new sign-in: ${transport}`, async (t) => {
    const { server, proxy, page } = await setUp(t, browser);
    proxy.decide = (request) => (request.stream && !proxy.requests.some(isStream) ? { answer: { status: 401 } } : {});
    await startClient(page, proxy.url, { options: { streamTransport: transport } });
    await proxy.until(() => proxy.streams.size === 1);
    assert.equal(proxy.count(isSignIn), 2);
    await edit(server, (text) => text.replace("classic", "sunset"));
    await untilServed(page, "theme", "sunset");
  });
}

test("a fetch refused with 401 later leads to one new sign-in", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  await startClient(page, proxy.url);
  await untilSettled(proxy);
  let refused = 0;
  proxy.decide = (request) => (isFetchOfAll(request) && refused++ === 0 ? { answer: { status: 401 } } : {});
  await page.evaluate(() => /** @type {any} */ (window).clients.main.client.refreshEvaluations());
  await proxy.until(() => proxy.count(isSignIn) === 2);
  await edit(server, (text) => text.replace("classic", "sunset"));
  await untilServed(page, "theme", "sunset");
  assert.equal(proxy.count(isSignIn), 2);
});

for (
  const [what, fault] of /** @type {[string, import("../lib/proxy.mjs").Fault][]} */ ([
    ["503", { answer: { status: 503 } }],
    ["429 with Retry-After", { answer: { status: 429, headers: { "retry-after": "1" } } }],
    ["a cut connection", { refuse: "reset" }],
    ["half a body", { cutAfter: 10 }],
    ["a body that is no JSON", { corrupt: () => Buffer.from("<html>") }],
    ["a captive portal", { answer: { status: 200, headers: { "content-type": "text/html" }, body: "<html>" } }],
  ])
) {
  test(`sign-in and the first fetch survive ${what}`, async (t) => {
    const { proxy, page } = await setUp(t, browser);
    // The first of each kind fails.
    proxy.decide = (request) => (proxy.requests.some(({ path }) => path === request.path) ? {} : fault);
    await startClient(page, proxy.url);
    await untilServed(page, "theme", "classic");
    const { events } = await told(page);
    const errors = events.filter(({ event }) => event === "auth error" || event === "fetch flags error");
    // Chromium itself sends a request again whose connection was cut before any answer.
    if (!("refuse" in fault)) assert.deepEqual(errors.map(({ event }) => event), ["auth error", "fetch flags error"]);
    assert.equal(errors.filter(({ final }) => final).length, 0);
    assert.equal(events.filter(({ event }) => event === "ready").length, 1);
  });
}

test("a wrong key is reported once, and nothing is tried again", async (t) => {
  const { proxy, page } = await setUp(t, browser);
  await startClient(page, proxy.url, { key: "wrong", wait: false });
  await untilTold(page, "error");
  const rejection = await page.evaluate(() => /** @type {any} */ (window).clients.main.client.ready().catch((/** @type {any} */ { message, code, status, final }) => ({ message, code, status, final })));
  assert.deepEqual({ ...rejection, message: undefined }, { message: undefined, code: "unauthorized", status: 401, final: true });
  assert.match(rejection.message, /key/i);
  const { events } = await told(page);
  assert.deepEqual(events.filter(({ event }) => event.includes("error")).map(({ event }) => event), ["auth error", "error"]);
  // Nothing is left that could try again: no timer, and only the one request was made.
  await page.evaluate(() => {
    for (const event of ["online", "pageshow"]) dispatchEvent(new Event(event));
  });
  assert.deepEqual(proxy.requests.map(({ path }) => path), ["/client/auth"]);
});

test("fetch replaced by a script that throws, rejects with what is no Error, or resolves to no response, does no harm", async (t) => {
  const { server, proxy, page } = await setUp(t, browser);
  await page.waitForFunction(() => "start" in window);
  await page.evaluate(() => {
    const real = window.fetch;
    const acts = [
      () => Promise.reject("no"),
      () => Promise.reject(undefined),
      () => {
        throw "never";
      },
      () => Promise.resolve(undefined),
      () => Promise.resolve("no response"),
    ];
    Object.assign(window, { fetch: (/** @type {[any, any]} */ ...args) => (String(args[0]).includes("/client/") && acts.length ? /** @type {any} */ (acts.shift())() : real(...args)) });
  });
  await startClient(page, proxy.url);
  await proxy.until(() => proxy.streams.size === 1);
  await edit(server, (text) => text.replace("classic", "sunset"));
  await untilServed(page, "theme", "sunset");
  const { events } = await told(page);
  // Each is a failure at once; one that waited for its deadline would be a time-out.
  assert.deepEqual([...new Set(events.filter(({ code }) => code).map(({ code }) => code))], ["network"]);
});

test("replies of an old target change nothing, however late", async (t) => {
  const { proxy, page } = await setUp(t, browser, { flags: "flags:\n  who:\n    variations: { nobody: nobody, ada: ada, grace: grace, linus: linus }\n    default: nobody\n    targets: { ada: [ada], grace: [grace], linus: [linus] }\n" });
  let release = () => {};
  const held = new Promise((resolve) => (release = () => resolve(undefined)));
  proxy.decide = ({ path }) => (path.includes("/target/grace/") ? { hold: held } : {});
  await startClient(page, proxy.url);
  const order = await page.evaluate(async () => {
    const { client } = /** @type {any} */ (window).clients.main;
    const done = /** @type {string[]} */ ([]);
    const both = ["grace", "linus"].map((identifier) => client.identify({ identifier }).then(() => done.push(identifier)));
    await Promise.all(both);
    return done;
  });
  assert.deepEqual(order.sort(), ["grace", "linus"]);
  await untilServed(page, "who", "linus");
  release();
  await page.evaluate(() => /** @type {any} */ (window).clients.main.client.refreshEvaluations());
  await untilServed(page, "who", "linus");
  const { changes } = await told(page);
  assert.deepEqual(changes.map(({ value }) => value), ["ada", "linus"]);
});
