// What the wire sends, and what it reports of replies and streams, beyond the vectors: against a server on this machine.

import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { Ask, ErrorKind, Input, SignIn } from "../../pkg-template/src/border.ts";
import { Values } from "../../pkg-template/src/values.ts";
import { Wire } from "../../pkg-template/src/wire.ts";
import { atEnd } from "../lib/scope.mjs";
import { until } from "../lib/wait.mjs";

const MAYA = { identifier: "maya", attributes: { plan: "gold" } };
const { SIGN_IN, ALL, FLAG, STREAM, NATIVE_STREAM } = Ask;
const TOKEN = `e30.${Buffer.from(JSON.stringify({ environment: "e-1", environmentIdentifier: "production", accountID: "a-1", clusterIdentifier: "2" })).toString("base64url")}.sig`;

/** A server that answers with `respond` and keeps what it was asked. */
async function service(t, respond = (_, response) => response.end("{}")) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const seen = { method: request.method, url: request.url, headers: request.headers, closed: false, body: "" };
    requests.push(seen);
    response.on("close", () => (seen.closed = true));
    seen.body = Buffer.concat(await request.toArray().catch(() => [])).toString();
    respond(seen, response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  atEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return { base: `http://127.0.0.1:${server.address().port}`, requests };
}

function wireTo(base = "https://flags.test", target = MAYA, events = base, plain = false) {
  const heard = [];
  const values = new Values(target);
  const wire = new Wire("key-1", { base_: base, events_: events, plain_: plain }, values, (...what) => heard.push(what));
  return { wire, values, heard };
}

// ---- requests ----

test("signing in says the key and the target, and nothing that is known after it only", () => {
  const { wire } = wireTo();
  const [url, { method, headers, body }] = wire.request_(SIGN_IN);
  deepEqual([url, method, JSON.parse(body)], ["https://flags.test/client/auth", "POST", { apiKey: "key-1", target: MAYA }]);
  deepEqual(headers, { "Harness-SDK-Info": "Flagwire 0.0.0-test Client", "Content-Type": "application/json" });
});

test("each request after it carries the token, the target and the cluster", () => {
  const { wire } = wireTo();
  equal(wire.signIn_({ authToken: TOKEN }), SignIn.TOKEN);
  const known = {
    Authorization: `Bearer ${TOKEN}`,
    "Harness-SDK-Info": "Flagwire 0.0.0-test Client",
    "Harness-EnvironmentID": "production",
    "Harness-AccountID": "a-1",
    "Harness-Target": Buffer.from(JSON.stringify(MAYA)).toString("base64"),
  };
  const path = "https://flags.test/client/env/e-1/target/maya/evaluations";
  deepEqual(wire.request_(ALL), [`${path}?cluster=2`, { headers: known, cache: "no-store" }]);
  deepEqual(wire.request_(ALL, '"tag"'), [`${path}?cluster=2`, { headers: { ...known, "If-None-Match": '"tag"', "Cache-Control": "no-cache" }, cache: "no-store" }]);
  deepEqual(wire.request_(FLAG, "a/b"), [`${path}/a%2Fb?cluster=2`, { headers: known }]);
  deepEqual(wire.request_(STREAM), ["https://flags.test/stream?cluster=2", { headers: { ...known, "API-Key": "key-1", Accept: "text/event-stream", "Cache-Control": "no-cache" } }]);
});

test("the address of a native stream is the server's, alone or below ours", () => {
  const { wire } = wireTo("https://flags.test/api");
  for (const [streamUrl, address] of [["https://stream.test/s?ticket=1", "https://stream.test/s?ticket=1"], ["/stream?ticket=1", "https://flags.test/api/stream?ticket=1"], ["stream?ticket=1", "https://flags.test/api/stream?ticket=1"]]) {
    equal(wire.signIn_({ authToken: TOKEN, streamUrl }), SignIn.TOKEN_AND_URL);
    equal(wire.request_(NATIVE_STREAM), address);
  }
});

test("counts go to the place for them, each once", () => {
  const { wire, values } = wireTo("https://flags.test", MAYA, "https://events.test");
  wire.signIn_({ authToken: TOKEN });
  equal(wire.takeCounts_(), undefined);
  values.replace_([{ flag: "a", identifier: "on", value: "true", kind: "boolean" }], 1);
  values.slots_.get("a").n += 3;
  const [url, { method, headers, body }] = wire.takeCounts_();
  deepEqual([url, method, headers["Content-Type"], headers.Authorization], ["https://events.test/metrics/e-1?cluster=2", "POST", "application/json", `Bearer ${TOKEN}`]);
  equal(JSON.parse(body).metricsData[0].count, 3);
  equal(wire.takeCounts_(), undefined);
  deepEqual([ErrorKind.AUTH, ErrorKind.METRICS].map((kind) => wire.address_(kind)), ["https://flags.test", "https://events.test"]);
});

test("tabs share a stream where service, key and target are the same, and nobody reads these in its name", () => {
  const group = (base, target) => wireTo(base, target).wire.group_();
  const name = group("https://flags.test", MAYA);
  match(name, /^flagwire-1-[0-9a-f]{16}$/);
  equal(group("https://flags.test", structuredClone(MAYA)), name);
  notEqual(group("https://other.test", MAYA), name);
  notEqual(group("https://flags.test", { identifier: "maya" }), name);
});

test("a target too long for a header is left out of headers, and shares no stream", () => {
  const { wire } = wireTo("https://flags.test", { identifier: "maya", attributes: { long: "x".repeat(200_000) } });
  wire.signIn_({ authToken: TOKEN });
  equal("Harness-Target" in wire.request_(ALL)[1].headers, false);
  equal(wire.group_(), undefined);
});

// ---- replies ----

test("a reply is reported with its status, its tag and its JSON", async (t) => {
  const { base, requests } = await service(t, (_, response) => response.writeHead(200, { ETag: '"tag"' }).end('[{"flag":"a"}]'));
  const { wire, heard } = wireTo(base);
  await wire.send_(7, [`${base}/x`, { headers: { "Harness-Target": "abc" } }], false, false);
  equal(requests[0].headers["harness-target"], "abc");
  equal(heard.length, 1);
  const [input, body, id, status, , etag] = heard[0];
  deepEqual([input, body, id, status, etag], [Input.REPLY, [{ flag: "a" }], 7, 200, '"tag"']);
});

test("a reply that is no JSON is the core's to judge, and what the server says of an error is kept until the next reply", async (t) => {
  const replies = [[502, "<html>"], [413, '{"message":"too large"}'], [400, '{"message":["name","plan"]}'], [200, "{}"]];
  const { base } = await service(t, (_, response) => {
    const [status, body] = replies.shift();
    response.writeHead(status).end(body);
  });
  const { wire, heard } = wireTo(base);
  const words = [];
  for (const id of [0, 1, 2, 3]) {
    await wire.send_(id, [base, {}], false, false);
    words.push(wire.words_);
  }
  deepEqual(words, [undefined, "too large", '["name","plan"]', undefined]);
  deepEqual(heard.map(([input, body, id, status]) => [input, typeof body, id, status]), [[Input.REPLY, "undefined", 0, 502], [Input.REPLY, "object", 1, 413], [Input.REPLY, "object", 2, 400], [Input.REPLY, "object", 3, 200]]);
});

test("where there is no reply, or none of the browser's, it is a failure, and what was thrown is kept", async (t) => {
  const { base } = await service(t, (_, response) => response.destroy());
  const { wire, heard } = wireTo(base);
  await wire.send_(7, [base, {}], false, false);
  ok(wire.thrown_ instanceof TypeError, String(wire.thrown_));
  t.mock.method(globalThis, "fetch", async () => undefined);
  await wire.send_(8, [base, {}], false, false);
  deepEqual(heard, [[Input.FAILURE, undefined, 7], [Input.FAILURE, undefined, 8]]);
});

test("a request that is ended is aborted, and one that was sent detached goes on", async (t) => {
  const { base, requests } = await service(t, (seen, response) => seen.url === "/detached" && setTimeout(() => response.end("{}"), 50));
  const { wire, heard } = wireTo(base);
  const ended = wire.send_(1, [`${base}/ended`, {}], false, false);
  const detached = wire.send_(2, [`${base}/detached`, {}], false, true);
  await until("both to arrive", () => requests.length === 2);
  wire.end_(1);
  wire.end_(2);
  await Promise.all([ended, detached]);
  deepEqual(heard.map(([input, , id]) => [input, id]).sort(), [[Input.FAILURE, 1], [Input.REPLY, 2]]);
  equal(wire.thrown_.name, "AbortError");
  await until("the first to be closed", () => requests.every(({ closed }) => closed));
});

test("what outlives the page is sent with keepalive, and the rest is not", async (t) => {
  const sent = [];
  t.mock.method(globalThis, "fetch", async (url, { keepalive }) => {
    sent.push(keepalive);
    return new Response("{}");
  });
  const { wire } = wireTo();
  await wire.send_(1, ["https://flags.test", {}], true, false);
  await wire.send_(2, ["https://flags.test", {}], false, false);
  deepEqual(sent, [true, false]);
});

test("after the end of all nothing is reported any more, and everything is aborted", async (t) => {
  const { base, requests } = await service(t, (seen, response) => seen.url === "/stream" && response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders());
  const { wire, heard } = wireTo(base);
  const [sending, streaming] = [wire.send_(1, [`${base}/x`, {}], false, false), wire.open_(2, [`${base}/stream`, {}], false)];
  await until("the stream to open", () => requests.length === 2 && heard.length === 1);
  wire.endAll_();
  await Promise.all([sending, streaming]);
  await until("both to be closed", () => requests.every(({ closed }) => closed));
  deepEqual(heard.map(([input]) => input), [Input.OPENED]);
});

test("middleware changes every request, streams too", async (t) => {
  const { base, requests } = await service(t);
  const { wire } = wireTo(base);
  wire.middleware_ = ([url, init]) => [`${url}?extra=1`, { ...init, headers: { ...init.headers, "X-Extra": "yes" } }];
  wire.signInEarly_();
  await wire.send_(0, wire.request_(SIGN_IN), false, false);
  await wire.send_(1, [`${base}/x`, { headers: { "X-Own": "1" } }], false, false);
  await wire.open_(2, [`${base}/stream`, {}], false);
  deepEqual(requests.map(({ url, headers }) => [url, headers["x-extra"]]), [["/client/auth?extra=1", "yes"], ["/x?extra=1", "yes"], ["/stream?extra=1", "yes"]]);
  equal(requests[1].headers["x-own"], "1");
});

// ---- signing in without a preflight ----

/** A wire that signs in without a preflight, at a server that answers with these statuses in turns; the last one is for all others. */
async function plainWire(t, ...statuses) {
  const { base, requests } = await service(t, (_, response) => response.writeHead(statuses.length > 1 ? statuses.shift() : statuses[0]).end("{}"));
  const { wire, heard } = wireTo(base, MAYA, base, true);
  const signIn = (id) => wire.send_(id, wire.request_(SIGN_IN), false, false);
  const types = () => requests.map(({ headers }) => headers["content-type"]);
  return { base, requests, wire, heard, signIn, types };
}

const PLAIN = "text/plain;charset=UTF-8";
const JSON_TYPE = "application/json";

test("a plain sign-in has no header that a browser would ask for, and stays plain where it succeeds", async (t) => {
  const { requests, wire, signIn, types } = await plainWire(t, 200);
  deepEqual(wire.request_(SIGN_IN)[1].headers, {});
  await signIn(0);
  await signIn(1);
  deepEqual(types(), [PLAIN, PLAIN]);
  equal("harness-sdk-info" in requests[0].headers, false);
  deepEqual(JSON.parse(requests[0].body), { apiKey: "key-1", target: MAYA });
});

for (const status of [400, 401, 403, 404, 408, 415]) {
  test(`a plain sign-in that is answered ${status} is sent once more as JSON, and so are all later ones`, async (t) => {
    const { wire, heard, signIn, types } = await plainWire(t, status, 200);
    wire.signInEarly_();
    await signIn(0);
    await signIn(1);
    deepEqual(types(), [PLAIN, JSON_TYPE, JSON_TYPE]);
    deepEqual(heard.map(([input, , id, status]) => [input, id, status]), [[Input.REPLY, 0, 200], [Input.REPLY, 1, 200]]);
  });
}

test("where both forms are refused the core hears of the second", async (t) => {
  const { heard, signIn, types } = await plainWire(t, 415, 401);
  await signIn(0);
  deepEqual([types(), heard.map(([, , id, status]) => [id, status])], [[PLAIN, JSON_TYPE], [[0, 401]]]);
});

for (const status of [429, 500, 503]) {
  test(`a plain sign-in that is answered ${status} is the core's to repeat, as JSON`, async (t) => {
    const { heard, signIn, types } = await plainWire(t, status, 200);
    await signIn(0);
    deepEqual([types(), heard.map(([, , id, status]) => [id, status])], [[PLAIN], [[0, status]]]);
    await signIn(1);
    deepEqual(types(), [PLAIN, JSON_TYPE]);
  });
}

test("a plain sign-in without an answer, as where a server grants it no CORS, is repeated as JSON", async (t) => {
  const { wire, heard, signIn, types } = await plainWire(t, 200);
  const mock = t.mock.method(globalThis, "fetch", async () => {
    throw new TypeError("Failed to fetch");
  });
  wire.signInEarly_();
  await signIn(0);
  mock.mock.restore();
  await signIn(1);
  deepEqual([heard.map(([input, , id]) => [input, id]), types()], [[[Input.FAILURE, 0], [Input.REPLY, 1]], [JSON_TYPE]]);
});

test("a plain sign-in that was ended is not sent again, and the status of other requests changes nothing", async (t) => {
  const { base, wire, signIn, types } = await plainWire(t, 415);
  await wire.send_(7, [`${base}/x`, { headers: {} }], false, false);
  const fetched = globalThis.fetch;
  t.mock.method(globalThis, "fetch", async (...request) => {
    const response = await fetched(...request);
    wire.end_(0);
    return response;
  });
  await signIn(0);
  deepEqual(types(), [undefined, PLAIN]);
});

// ---- signing in early ----

test("an early sign-in is the answer to the core's, and sent once", async (t) => {
  const { base, requests } = await service(t);
  const { wire, heard } = wireTo(base);
  wire.signInEarly_();
  await until("it to arrive", () => requests.length === 1);
  await wire.send_(0, wire.request_(SIGN_IN), false, false);
  deepEqual(heard.map(([input, , id, status]) => [input, id, status]), [[Input.REPLY, 0, 200]]);
  equal(requests.length, 1);
  await wire.send_(1, wire.request_(SIGN_IN), false, false);
  equal(requests.length, 2, "the next one is another");
});

test("an early sign-in of another target is ended, and the right one sent", async (t) => {
  let answer = false;
  const { base, requests } = await service(t, (_, response) => answer && response.end("{}"));
  const { wire, values, heard } = wireTo(base);
  wire.signInEarly_();
  await until("it to arrive", () => requests.length === 1);
  answer = true;
  values.setTarget_({ identifier: "tom" });
  await wire.send_(0, wire.request_(SIGN_IN), false, false);
  deepEqual(requests.map(({ body }) => JSON.parse(body).target.identifier), ["maya", "tom"]);
  await until("the first to be closed", () => requests[0].closed);
  deepEqual(heard.map(([input, , id]) => [input, id]), [[Input.REPLY, 0]]);
});

test("an early sign-in that fails is the core's to hear of", async (t) => {
  const { base } = await service(t, (_, response) => response.destroy());
  const { wire, heard } = wireTo(base);
  wire.signInEarly_();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await wire.send_(0, wire.request_(SIGN_IN), false, false);
  deepEqual(heard, [[Input.FAILURE, undefined, 0]]);
});

// ---- streams ----

const EVENT = 'event: *\ndata: {"event":"patch"}\n\n';

test("a stream's opening, events, signs of life and end are reported in order", async (t) => {
  const parts = [EVENT, ": a comment\n\n", "event: heartbeat\ndata: {}\n\n", "retry: 5000\n\n"];
  const { base } = await service(t, (_, response) => response.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8" }).end(parts.join("")));
  const { wire, heard } = wireTo(base);
  await wire.open_(3, [`${base}/stream`, {}], false);
  const text = (detail) => (detail === undefined ? undefined : Buffer.from(detail).toString());
  const all = heard.map(([input, detail, id, status]) => [input, text(detail), id, status]);
  deepEqual(all[0], [Input.OPENED, undefined, 3, 200]);
  deepEqual(all.at(-1), [Input.ENDED, undefined, 3, undefined]);
  deepEqual(all.filter(([input]) => input === Input.EVENT), [[Input.EVENT, '{"event":"patch"}', 3, undefined]], "a heartbeat is no event");
  deepEqual(all.filter(([input]) => input === Input.RETRY), [[Input.RETRY, undefined, 3, 5000]]);
  const alive = all.filter(([input]) => input === Input.HEARTBEAT);
  ok(alive.length >= 1);
  for (const [, detail] of alive) equal(detail, "{}");
});

test("an answer that is no stream is reported as one, with what it asks for", async (t) => {
  const { base } = await service(t, (_, response) => response.writeHead(503, { "Retry-After": "7", "Content-Type": "application/json" }).end("{}"));
  const { wire, heard } = wireTo(base);
  await wire.open_(3, [`${base}/stream`, {}], false);
  deepEqual(heard[0], [Input.ANSWERED, undefined, 3, 503, 7000]);
  deepEqual(heard.at(-1), [Input.ENDED, undefined, 3]);
});

test("a stream that breaks ends with what was thrown, one that is ended is closed", async (t) => {
  const { base, requests } = await service(t, (seen, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(EVENT);
    if (seen.url === "/breaks") setTimeout(() => response.destroy(), 20);
  });
  const { wire, heard } = wireTo(base);
  await wire.open_(1, [`${base}/breaks`, {}], false);
  ok(wire.thrown_ instanceof Error);
  equal(heard.at(-1)[0], Input.ENDED);
  const opened = wire.open_(2, [`${base}/stays`, {}], false);
  await until("its event", () => heard.some(([input, , id]) => input === Input.EVENT && id === 2));
  wire.end_(2);
  await opened;
  await until("it to be closed", () => requests.every(({ closed }) => closed));
});

test("an event that never ends ends the stream", async (t) => {
  const { base } = await service(t, (_, response) => response.writeHead(200, { "Content-Type": "text/event-stream" }).write(`data: ${"x".repeat(9 * 1024 * 1024)}`));
  const { wire, heard } = wireTo(base);
  await wire.open_(1, [`${base}/stream`, {}], false);
  deepEqual([wire.thrown_.name, wire.thrown_.message], ["RangeError", "event too long"]);
  equal(heard.at(-1)[0], Input.ENDED);
});

test("a native stream is the browser's own, and its loss is reported once it happens", (t) => {
  /** Node has no `EventSource`; this one sends only what the test says. */
  class Source extends EventTarget {
    closed = false;
    constructor(url) {
      super();
      this.url = url;
      sources.push(this);
    }
    close() {
      this.closed = true;
    }
    say(name, data) {
      this.dispatchEvent(Object.assign(new Event(name), { data }));
    }
  }
  const sources = [];
  const before = globalThis.EventSource;
  Object.assign(globalThis, { EventSource: Source });
  t.after(() => Object.assign(globalThis, { EventSource: before }));
  const { wire, heard } = wireTo();
  void wire.open_(3, "https://flags.test/stream?ticket=1", true);
  const [source] = sources;
  equal(source.url, "https://flags.test/stream?ticket=1");
  source.say("*", '{"event":"patch"}');
  source.say("heartbeat", "{}");
  source.onerror();
  deepEqual(heard.map(([input, detail, id]) => [input, detail && Buffer.from(detail).toString(), id]), [[Input.EVENT, '{"event":"patch"}', 3], [Input.HEARTBEAT, "{}", 3], [Input.ENDED, undefined, 3]]);
  equal(source.closed, false);
  wire.end_(3);
  equal(source.closed, true);
});

test("a page that signs in with a server key is told in development, a program is not", (t) => {
  const token = `e30.${Buffer.from(JSON.stringify({ environment: "e-1", key_type: "Server" })).toString("base64url")}.sig`;
  const { wire } = wireTo();
  let told = 0;
  wire.onServerKey_ = () => told++;
  equal(wire.signIn_({ authToken: token }), SignIn.TOKEN);
  equal(told, 0);
  Object.assign(globalThis, { document: {} });
  t.after(() => delete globalThis.document);
  equal(wire.signIn_({ authToken: token }), SignIn.TOKEN);
  equal(wire.signIn_({ authToken: TOKEN }), SignIn.TOKEN);
  equal(told, 1);
});
