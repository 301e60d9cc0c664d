// The rules of the wire (crates/core/vectors/codec.json) against the package's TypeScript.

import { deepEqual, equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Ask, Input, SignIn } from "../../pkg-template/src/border.ts";
import { Values } from "../../pkg-template/src/values.ts";
import { Wire } from "../../pkg-template/src/wire.ts";

const BASE = "https://flags.test/api/1.0";
const vectors = JSON.parse(readFileSync(new URL("../../crates/core/vectors/codec.json", import.meta.url), "utf8"));
const { ALL, FLAG, NATIVE_STREAM } = Ask;

/** The number of vectors in a section, which must not shrink to nothing without notice. */
function section(name, atLeast) {
  const list = vectors[name];
  ok(list.length >= atLeast, `vectors of ${name} are missing`);
  return list;
}

function client(target = { identifier: "t" }, hear = () => {}) {
  const values = new Values(target);
  return { values, wire: new Wire("key", { base_: BASE, events_: BASE }, values, hear) };
}

function token(claims) {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.sig`;
}

const fields = ({ flag, identifier, value, kind }) => [flag, identifier, value, kind];

for (const vector of section("sign_in", 25)) {
  test(`sign-in: ${vector.name}`, () => {
    const { wire } = client();
    const given = vector.token ?? (vector.claims && token(vector.claims));
    const reply = given === undefined ? vector.reply : { authToken: given, ...vector.reply };
    const read = wire.signIn_(reply);
    if (vector.expect === null) return equal(read, SignIn.UNREADABLE);
    const { environment, cluster, environment_identifier, account, stream } = vector.expect;
    equal(read, stream === null ? SignIn.TOKEN : SignIn.TOKEN_AND_URL);
    const [url, { headers }] = wire.request_(ALL);
    equal(url, `${BASE}/client/env/${environment}/target/t/evaluations?cluster=${cluster}`);
    equal(headers["Harness-EnvironmentID"] ?? null, environment_identifier);
    equal(headers["Harness-AccountID"] ?? null, account);
    equal(headers.Authorization, `Bearer ${reply.authToken}`);
    if (stream !== null) equal(wire.request_(NATIVE_STREAM), stream);
  });
}

for (const vector of section("list", 10)) {
  test(`list: ${vector.name}`, () => {
    const { wire, values } = client();
    const list = wire.evaluations_(vector.reply, false);
    if (vector.expect === null) return equal(list, undefined);
    values.replace_(list, 1);
    deepEqual(values.list_().map(fields), vector.expect);
  });
}

for (const vector of section("single", 6)) {
  test(`single evaluation: ${vector.name}`, () => {
    const { wire } = client();
    const list = wire.evaluations_(vector.reply, true);
    deepEqual(list?.map(fields) ?? null, vector.expect && [vector.expect]);
  });
}

for (const vector of section("event", 25)) {
  test(`event: ${vector.name}`, () => {
    const { wire } = client();
    const data = vector.data_base64 ? Buffer.from(vector.data_base64, "base64") : Buffer.from(vector.data);
    const { code_: code, identifier_: identifier, carried_: carried } = wire.changeEvent_(data);
    if (typeof vector.expect === "string") return equal(code, ["malformed", "unknown"].indexOf(vector.expect));
    const { change, domain } = vector.expect;
    equal(code, 2 + ["flag", "target-segment"].indexOf(domain) * 3 + ["create", "patch", "delete"].indexOf(change));
    equal(identifier, vector.expect.identifier);
    deepEqual(carried?.map(fields) ?? null, vector.expect.carried);
  });
}

for (const vector of section("change", 25)) {
  test(`what counts as a change: ${vector.name}`, () => {
    const { values } = client();
    const [before, after] = [0, 1].map((n) => ({
      flag: "a",
      identifier: vector.identifier?.[n] ?? "x",
      value: vector.value[n],
      kind: vector.kind[n],
    }));
    ok(values.merge_([before], 1), "the first is new");
    const changes = values.merge_([after], 2);
    equal(changes !== undefined, vector.changed);
    if (vector.changed) deepEqual(fields(values.list_()[0]), fields(after));
  });
}

for (const vector of section("retry_after", 8)) {
  test(`Retry-After: ${vector.name}`, async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: Date.parse(vector.now ?? "2026-11-28T12:00:00Z") });
    const heard = [];
    const { wire } = client(undefined, (...what) => heard.push(what));
    t.mock.method(globalThis, "fetch", async () => {
      return new Response("{}", { status: 503, headers: vector.header === null ? {} : { "Retry-After": vector.header } });
    });
    await wire.send_(7, [BASE, {}], false, false);
    equal(heard.length, 1);
    const [input, , id, status, retryAfterMs] = heard[0];
    deepEqual([input, id, status], [Input.REPLY, 7, 503]);
    // The border takes what is no number for none at all, and what is negative for now.
    equal(Number.isNaN(retryAfterMs) ? null : Math.max(0, retryAfterMs), vector.ms);
  });
}

for (const vector of section("request", 2)) {
  test(`requests: ${vector.name}`, () => {
    const { wire } = client(vector.target);
    wire.signIn_({ authToken: token({ environment: "e-1" }) });
    const [url] = wire.request_(FLAG, vector.flag);
    equal(url, BASE + vector.path);
  });
}

test("requests: a list is asked for past the browser's cache, and a single flag, which would cost a preflight, is not", () => {
  const { wire } = client();
  wire.signIn_({ authToken: token({ environment: "e-1" }) });
  equal(wire.request_(ALL)[1].cache, "no-store");
  equal(wire.request_(FLAG, "a")[1].cache, undefined);
});

for (const vector of section("target_header", 3)) {
  test(`the target's header: ${vector.name}`, () => {
    const { wire } = client(vector.target);
    wire.signIn_({ authToken: token({ environment: "e-1" }) });
    const [, { headers }] = wire.request_(ALL);
    equal(headers["Harness-Target"], vector.header);
  });
}
