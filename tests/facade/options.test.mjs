// The options as the core and the wire get them.

import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { coreOptions } from "../../pkg-template/src/options.ts";

/** The addresses that options lead to, and what is warned of. */
function addresses(options) {
  const warned = [];
  const { endpoints_: endpoints } = coreOptions(options, (level, text) => warned.push([level, text]));
  return { base: endpoints.base_, events: endpoints.events_, warned };
}

test("counts go where the flags come from, unless another place is named", () => {
  const own = "https://flags.example.com";
  deepEqual(addresses({ baseUrl: own }), { base: own, events: own, warned: [] });
  deepEqual(addresses({ baseUrl: own, eventUrl: "https://events.example.com/" }), { base: own, events: "https://events.example.com", warned: [] });
  deepEqual(addresses({ baseUrl: "" }), { base: "", events: "", warned: [] }, "the page's own origin");
  equal(addresses({}).base, "https://config.ff.harness.io/api/1.0");
  equal(addresses({}).events, "https://events.ff.harness.io/api/1.0");
});

test("an address may be a URL, with slashes at its end", () => {
  deepEqual(addresses({ baseUrl: new URL("https://flags.example.com/api/1.0//") }), {
    base: "https://flags.example.com/api/1.0",
    events: "https://flags.example.com/api/1.0",
    warned: [],
  });
});

test("an address that is none never leads to another service, and is warned of", () => {
  for (const baseUrl of [5, true, { href: "https://flags.example.com" }, ["https://flags.example.com"]]) {
    const { base, events, warned } = addresses({ baseUrl });
    equal(base, String(baseUrl));
    equal(events, base);
    equal(warned.length, 1);
  }
});
