// The lock and the channel of a group of tabs. Channels are Node's own; locks are those of tests/lib/locks.mjs.

import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { Input } from "../../pkg-template/src/border.ts";
import { Group } from "../../pkg-template/src/tabs.ts";
import { lockManager } from "../lib/locks.mjs";
import { until } from "../lib/wait.mjs";

const { LEADING, LOST, MESSAGE } = Input;
let groups = 0;

/** A group's name that no other test uses. */
const newName = () => `group-${++groups}`;

/** Puts a lock manager, or what is in its place, where the platform has its own. */
function platform(t, locks = lockManager()) {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { locks } });
  t.after(() => (before ? Object.defineProperty(globalThis, "navigator", before) : delete globalThis.navigator));
}

/** A tab in a group, and what it heard. */
function tab(t, name) {
  const heard = [];
  const group = new Group(name, (...what) => heard.push(what));
  t.after(() => group.leave_());
  return { group, heard, inputs: () => heard.map(([input]) => input) };
}

/** Lets everything happen that is due. */
const turns = () => new Promise((resolve) => setTimeout(resolve, 20));

test("the first leads, and where it leaves the next one does", async (t) => {
  platform(t);
  const name = newName();
  const [first, second, third] = [tab(t, name), tab(t, name), tab(t, name)];
  await until("the first to lead", () => first.heard.length > 0);
  await turns();
  deepEqual([first.inputs(), second.inputs(), third.inputs()], [[LEADING], [], []]);
  first.group.leave_();
  await until("the second to lead", () => second.heard.length > 0);
  await turns();
  deepEqual([first.inputs(), second.inputs(), third.inputs()], [[LEADING], [LEADING], []]);
});

test("groups of other names lead beside each other", async (t) => {
  platform(t);
  const [one, other] = [tab(t, newName()), tab(t, newName())];
  await until("both to lead", () => one.heard.length > 0 && other.heard.length > 0);
  deepEqual([one.inputs(), other.inputs()], [[LEADING], [LEADING]]);
});

test("a message is heard by all others of the group, with its number and its text", async (t) => {
  platform(t);
  const name = newName();
  const [first, second, third, stranger] = [tab(t, name), tab(t, name), tab(t, name), tab(t, newName())];
  await until("the first and the stranger to lead", () => first.heard.length + stranger.heard.length === 2);
  second.group.post_(0, "hello");
  second.group.post_(3, "öäü");
  const both = [[MESSAGE, "hello"], [MESSAGE + 3, "öäü"]];
  await until("both to hear it", () => first.heard.length === 3 && third.heard.length === 2);
  deepEqual([first.heard.slice(1), second.heard, third.heard, stranger.inputs()], [both, [], both, [LEADING]]);
});

test("what others of the origin say on the channel does no harm", async (t) => {
  platform(t);
  const name = newName();
  const { heard } = tab(t, name);
  await until("it to lead", () => heard.length === 1);
  const other = new BroadcastChannel(name);
  t.after(() => other.close());
  for (const data of ["text", null, 7, { 0: 1 }]) other.postMessage(data);
  other.postMessage([1, "the last"]);
  await until("the last message", () => heard.length > 1);
  deepEqual(heard.slice(1), [[MESSAGE + 1, "the last"]]);
});

test("a lock that is stolen is lost, and comes back where the thief leaves", async (t) => {
  platform(t);
  const name = newName();
  const [first, second] = [tab(t, name), tab(t, name)];
  await until("the first to lead", () => first.heard.length > 0);
  void second.group.lead_(true);
  await until("the lock to be stolen", () => first.heard.length === 2 && second.heard.length === 1);
  await turns();
  deepEqual([first.inputs(), second.inputs()], [[LEADING, LOST], [LEADING]]);
  second.group.leave_();
  await until("the first to lead again", () => first.heard.length === 3);
  deepEqual(first.inputs(), [LEADING, LOST, LEADING]);
});

test("who has left hears nothing, says nothing and holds no lock", async (t) => {
  const locks = lockManager();
  platform(t, locks);
  const name = newName();
  const [first, second, third] = [tab(t, name), tab(t, name), tab(t, name)];
  await until("the first to lead", () => first.heard.length > 0);
  second.group.leave_();
  second.group.leave_();
  third.group.post_(0, "for those who are left");
  second.group.post_(0, "from the one that left");
  await until("the first to hear it", () => first.heard.length === 2);
  first.group.leave_();
  await until("the third to lead", () => third.heard.length > 0);
  await turns();
  deepEqual([first.heard.slice(1), second.heard, third.inputs()], [[[MESSAGE, "for those who are left"]], [], [LEADING]]);
  third.group.leave_();
  await until("all locks to be free", () => locks.isFree(name));
});

test("who leaves before the lock is granted never leads", async (t) => {
  const locks = lockManager();
  platform(t, locks);
  const name = newName();
  const { group, heard } = tab(t, name);
  group.leave_();
  await turns();
  deepEqual(heard, []);
  equal(locks.isFree(name), true);
});

for (
  const [what, locks] of /** @type {[string, any][]} */ ([
    ["are missing", undefined],
    ["throw", {
      request() {
        throw new Error("not allowed");
      },
    }],
    ["are refused", {
      request: async () => {
        throw new DOMException("The request was denied.", "SecurityError");
      },
    }],
  ])
) {
  test(`where locks ${what} each tab leads, and hears no other`, async (t) => {
    platform(t, locks);
    // Without a default: `undefined` is what is asked for.
    Object.defineProperty(globalThis, "navigator", { configurable: true, value: { locks } });
    const name = newName();
    const [first, second] = [tab(t, name), tab(t, name)];
    await until("both to lead", () => first.heard.length > 0 && second.heard.length > 0);
    first.group.post_(0, "hello");
    await turns();
    deepEqual([first.inputs(), second.inputs()], [[LEADING], [LEADING]]);
  });
}

test("where there is no channel each tab leads, and nothing waits for a lock", async (t) => {
  const locks = lockManager();
  platform(t, locks);
  const { BroadcastChannel } = globalThis;
  t.after(() => Object.assign(globalThis, { BroadcastChannel }));
  Object.assign(globalThis, { BroadcastChannel: undefined });
  const name = newName();
  const [first, second] = [tab(t, name), tab(t, name)];
  await until("both to lead", () => first.heard.length > 0 && second.heard.length > 0);
  await turns();
  deepEqual([first.inputs(), second.inputs(), locks.isFree(name)], [[LEADING], [LEADING], true]);
});
