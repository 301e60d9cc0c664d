// The parser of server-sent events against the vectors, in every split of the bytes.

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { eventReader } from "../../pkg-template/src/sse.ts";

const { vectors } = JSON.parse(readFileSync(new URL("../../crates/core/vectors/sse.json", import.meta.url), "utf8"));
ok(vectors.length > 40, "vectors are missing");

/** The events of a stream that arrives in these pieces, and the last delay asked for. */
function read(pieces) {
  const events = [];
  let retry = null;
  const push = eventReader(
    (kind, data) => events.push([kind || "message", data]),
    (delayMs) => (retry = delayMs),
  );
  for (const piece of pieces) push(piece);
  return { events, retry };
}

for (const { id, wire_b64: encoded, expect, final_retry_ms: retry } of vectors) {
  test(id, () => {
    const wire = Buffer.from(encoded, "base64");
    const expected = { events: expect.map(({ type, data }) => [type, data]), retry };
    deepEqual(read([wire]), expected, "whole");
    deepEqual(read([...wire].map((byte) => Uint8Array.of(byte))), expected, "byte by byte");
    for (let at = 1; at < wire.length; at++) deepEqual(read([wire.subarray(0, at), wire.subarray(at)]), expected, `cut at ${at}`);
  });
}

test("an event is there as soon as its blank line is, also where lines end in carriage returns", () => {
  equal(read([Buffer.from("data: a\r\r")]).events.length, 1);
  equal(read([Buffer.from("data: a\r\n\r")]).events.length, 1);
});

test("an event without end stops the reading, in one line or in many", () => {
  const line = Buffer.from(`data: ${"x".repeat(100_000)}`);
  const many = () => read(Array.from({ length: 90 }, () => Buffer.from(`${line}\n`)));
  const one = () => read(Array.from({ length: 90 }, () => line));
  throws(many, RangeError);
  throws(one, RangeError);
});

test("as long an event as a server may send is read", () => {
  const { events } = read([Buffer.from(`data: ${"x".repeat(8_000_000)}\n\n`)]);
  equal(events[0][1].length, 8_000_000);
});
