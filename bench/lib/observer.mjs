// A bare reader of a flagwire-server's stream: says when an event was on the wire, whatever an SDK makes of it.
//
// It reads in a thread of its own, so that it is not kept waiting by what else this suite does.

import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { request } from "node:http";
import { atEnd } from "../../tests/lib/scope.mjs";

const KEY = "flagwire-dev-client-key";

/** Now on the clock that Chromium and this process share (CLOCK_MONOTONIC), in milliseconds. */
export function monotonic() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope ends it
 * @param {string} server
 * @param {object} target
 */
export async function observe(scope, server, target) {
  const reply = await fetch(`${server}/client/auth`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ apiKey: KEY, target }) });
  const { authToken } = await reply.json();
  const worker = new Worker(new URL(import.meta.url), { workerData: { server, authToken } });
  atEnd(scope, () => worker.terminate());
  /** When each arrived. @type {number[]} */
  let events = [];
  /** @type {() => void} */
  let check = () => {};
  await new Promise((resolve, reject) => {
    worker.on("error", reject);
    worker.on("message", (/** @type {{ at: number, count: number }} */ { at, count }) => {
      resolve(undefined);
      for (let i = 0; i < count; i++) events.push(at);
      check();
    });
  });
  return {
    forget() {
      events = [];
    },
    /** When the first event since `forget` arrived. */
    firstEvent() {
      return new Promise((/** @type {(at: number) => void} */ resolve) => {
        check = () => events.length > 0 && resolve(events[0]);
        check();
      });
    },
    /** When each event since `forget` arrived, in their order. */
    events() {
      return events;
    },
  };
}

function read() {
  const { server, authToken } = workerData;
  const stream = request(`${server}/stream?cluster=1`, { agent: false, headers: { authorization: `Bearer ${authToken}`, "api-key": KEY } }, (response) => {
    if (response.statusCode !== 200) throw new Error(`the observer's stream was answered with ${response.statusCode}`);
    response.setEncoding("utf8");
    response.on("data", (/** @type {string} */ text) => {
      const at = monotonic();
      parentPort?.postMessage({ at, count: text.split('"event":').length - 1 });
    });
  });
  stream.end();
}

if (!isMainThread && workerData?.authToken) read();
