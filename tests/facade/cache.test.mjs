// Values of the last visit: where they are kept, what is read of them, and what a storage may do.

import { deepEqual, equal, match, notEqual, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { placeOf, readCache, writeCache } from "../../pkg-template/src/cache.ts";

const MAYA = { identifier: "maya" };
const A = { flag: "a", identifier: "on", value: "true", kind: "boolean" };
const B = { flag: "b", identifier: "x", value: "1", kind: "int" };

/** A storage in memory; `later` makes it asynchronous. */
function storageOf(entries = {}, later = false) {
  const kept = new Map(Object.entries(entries));
  const result = (value) => (later ? Promise.resolve(value) : value);
  return {
    kept,
    getItem: (key) => result(kept.get(key) ?? null),
    setItem: (key, value) => result(void kept.set(key, value)),
    removeItem: (key) => result(void kept.delete(key)),
  };
}

/** What a place holds, as `readCache` hands it over: each call is an entry. */
async function found(place) {
  const calls = [];
  await readCache(place, (list) => calls.push(list));
  return calls;
}

/** Puts something in the place of a global for one test. */
function global(t, name, descriptor) {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { configurable: true, ...descriptor });
  t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
}

test("each service, key and target has a place of its own, whose name says none of them", () => {
  const key = (...where) => placeOf(true, ...where).key;
  const place = key("https://one.test", "key-1", MAYA);
  match(place, /^flagwire-[0-9a-f]{16}$/);
  equal(key("https://one.test", "key-1", { identifier: "maya", attributes: { plan: "gold" } }), place, "attributes do not count");
  for (const other of [key("https://two.test", "key-1", MAYA), key("https://one.test", "key-2", MAYA), key("https://one.test", "key-1", { identifier: "tom" })]) notEqual(other, place);
  // The end of each text counts: otherwise these were one.
  notEqual(key("https://one.test", "ab", { identifier: "c" }), key("https://one.test", "a", { identifier: "bc" }));
});

test("the place is what the options say", () => {
  const storage = storageOf();
  const options = { storage, ttl: 5, key: ({ identifier, attributes }) => `${identifier}/${attributes.plan}` };
  deepEqual(placeOf(options, "https://one.test", "key-1", { identifier: "maya", attributes: { plan: "gold" } }), { storage, ttl: 5, key: "maya/gold" });
});

test("values go to localStorage, else to sessionStorage, else nowhere", (t) => {
  const [local, session] = [storageOf(), storageOf()];
  global(t, "localStorage", { get: () => local });
  global(t, "sessionStorage", { get: () => session });
  equal(placeOf(true, "", "", MAYA).storage, local);
  equal(placeOf({ ttl: 1 }, "", "", MAYA).storage, local);
  const refuse = () => {
    throw new Error("The operation is insecure.");
  };
  Object.defineProperty(globalThis, "localStorage", { configurable: true, get: refuse });
  equal(placeOf(true, "", "", MAYA).storage, session);
  Object.defineProperty(globalThis, "sessionStorage", { configurable: true, get: refuse });
  equal(placeOf(true, "", "", MAYA).storage, undefined);
});

for (const later of [false, true]) {
  test(`what was written is read, ${later ? "later" : "at once"}, in the order of the names`, async () => {
    const storage = storageOf({}, later);
    const place = { storage, key: "here", ttl: undefined };
    await writeCache(place, [B, A]);
    deepEqual(JSON.parse(storage.kept.get("here")), [A, B]);
    const calls = [];
    const reading = readCache(place, (list) => calls.push(list));
    deepEqual(calls, later ? [] : [[A, B]]);
    await reading;
    deepEqual(calls, [[A, B]]);
  });

  test(`what is older than its time is removed and not read, ${later ? "later" : "at once"}`, async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
    const storage = storageOf({}, later);
    const place = { storage, key: "here", ttl: 5_000 };
    await writeCache(place, [A]);
    t.mock.timers.tick(5_000);
    deepEqual(await found(place), [[A]], "as long as that it is read");
    t.mock.timers.tick(1);
    deepEqual(await found({ ...place, ttl: undefined }), [[A]], "without a limit it is read for ever");
    deepEqual(await found(place), []);
    deepEqual([...storage.kept.keys()], []);
  });
}

test("nothing is found where there is nothing, or no list with an evaluation in it", async () => {
  for (const text of [null, "", "[]", "{}", '"a"', "null", '[{"flag":"a"}]', "[null]"]) {
    const storage = storageOf(text === null ? {} : { here: text, "here.ts": String(Date.now()) });
    deepEqual(await found({ storage, key: "here", ttl: undefined }), [], String(text));
  }
  deepEqual(await found({ storage: undefined, key: "here", ttl: undefined }), []);
});

test("of a list that was damaged the rest is read, and text that is no JSON is an error", async () => {
  const storage = storageOf({ here: JSON.stringify([{ flag: 7 }, A, null]) });
  deepEqual(await found({ storage, key: "here", ttl: undefined }), [[A]]);
  throws(() => readCache({ storage: storageOf({ here: "[{" }), key: "here", ttl: undefined }, () => {}), SyntaxError);
  await rejects(async () => readCache({ storage: storageOf({ here: "[{" }, true), key: "here", ttl: undefined }, () => {}), SyntaxError);
});

test("a storage that is full rejects, one that is missing keeps nothing", async () => {
  const full = {
    ...storageOf(),
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  };
  await rejects(writeCache({ storage: full, key: "here", ttl: undefined }, [A]), { name: "QuotaExceededError" });
  const refused = { ...storageOf(), setItem: () => Promise.reject(new Error("refused")) };
  await rejects(writeCache({ storage: refused, key: "here", ttl: undefined }, [A]), /refused/);
  await writeCache({ storage: undefined, key: "here", ttl: undefined }, [A]);
});
