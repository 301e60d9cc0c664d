// Lists of listeners.

import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { Emitted, ErrorKind } from "../../pkg-template/src/border.ts";
import { Event, FIRST_ERROR, Listeners } from "../../pkg-template/src/events.ts";

test("what the core lets the facade know has the event of that name in its place", () => {
  const names = Object.keys(Event);
  // These two are no events, and lie where others are.
  const { IDENTIFIED, SAVE, ...events } = Object.fromEntries(Object.entries(Emitted).filter(([name]) => isNaN(Number(name))));
  deepEqual([IDENTIFIED, SAVE].map((place) => typeof place), ["number", "number"]);
  for (const [name, place] of Object.entries(events)) equal(names[place], name);
  equal(Object.keys(events).length, 9);
});

test("errors have the events of their kinds", () => {
  const names = Object.values(Event).slice(FIRST_ERROR);
  const kinds = [ErrorKind.AUTH, ErrorKind.FETCH_FLAGS, ErrorKind.FETCH_FLAG, ErrorKind.STREAM, ErrorKind.METRICS];
  deepEqual(kinds.map((kind) => names[kind]), [Event.ERROR_AUTH, Event.ERROR_FETCH_FLAGS, Event.ERROR_FETCH_FLAG, Event.ERROR_STREAM, Event.ERROR_METRICS]);
});

test("all listeners of a name are called in their order with what happened, and others are not", () => {
  const calls = [];
  const listeners = new Listeners(() => {});
  listeners.add_("a", (payload) => calls.push(["first", payload]));
  listeners.add_("a", (payload) => calls.push(["second", payload]));
  listeners.add_("b", () => calls.push(["other"]));
  listeners.tell_("a", 5);
  deepEqual(calls, [["first", 5], ["second", 5]]);
});

test("one that throws is reported, and the others are called", () => {
  const [calls, thrown] = [[], []];
  const listeners = new Listeners((error) => thrown.push(error));
  listeners.add_("a", () => {
    throw "a text";
  });
  listeners.add_("a", () => calls.push("second"));
  listeners.tell_("a", undefined);
  deepEqual([calls, thrown], [["second"], ["a text"]]);
});

test("who is added while listeners are called hears from the next time on", () => {
  const calls = [];
  const listeners = new Listeners(() => {});
  listeners.add_("a", () => listeners.add_("a", () => calls.push("added")));
  listeners.tell_("a", 1);
  equal(calls.length, 0);
  listeners.tell_("a", 2);
  equal(calls.length, 1);
});

test("a listener that was added twice is called once, and removed by either way", () => {
  const calls = [];
  const listener = () => calls.push("called");
  const listeners = new Listeners(() => {});
  listeners.add_("a", listener);
  const stop = listeners.add_("a", listener);
  listeners.tell_("a", 1);
  equal(calls.length, 1);
  stop();
  stop();
  listeners.tell_("a", 2);
  equal(calls.length, 1);
  equal(listeners.has_("a"), false);
});

test("removing without a listener removes all of a name, without a name all there are", () => {
  const listeners = new Listeners(() => {});
  for (const name of ["a", "a", "b", "c"]) listeners.add_(name, () => {});
  listeners.remove_("a");
  deepEqual(["a", "b", "c"].map((name) => listeners.has_(name)), [false, true, true]);
  listeners.remove_();
  deepEqual(["a", "b", "c"].map((name) => listeners.has_(name)), [false, false, false]);
});

test("who is removed while listeners are called is not called any more", () => {
  const calls = [];
  const listeners = new Listeners(() => {});
  listeners.add_("a", () => stop());
  const stop = listeners.add_("a", () => calls.push("removed"));
  listeners.add_("a", () => calls.push("last"));
  listeners.add_("b", () => listeners.remove_());
  listeners.add_("b", () => calls.push("removed with all"));
  listeners.tell_("a", 1);
  listeners.tell_("b", 1);
  deepEqual(calls, ["last"]);
});
