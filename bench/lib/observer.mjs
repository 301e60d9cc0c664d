// A bare reader of a flagwire-server's stream: says when an event was on the wire, whatever an SDK makes of it.

import { request } from "node:http";
import { atEnd } from "../../tests/lib/scope.mjs";
import { CLIENT_KEY } from "./server.mjs";

/** Now on the clock that Chromium's traces and this process share (CLOCK_MONOTONIC), in milliseconds. */
export function monotonic() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope ends it
 * @param {string} server
 * @param {object} target
 */
export async function observe(scope, server, target) {
  const reply = await fetch(`${server}/client/auth`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ apiKey: CLIENT_KEY, target }) });
  const { authToken } = await reply.json();
  /** @type {{ text: string, at: number }[]} */
  let chunks = [];
  /** @type {() => void} */
  let check = () => {};
  await new Promise((resolve, reject) => {
    const stream = request(`${server}/stream?cluster=1`, { agent: false, headers: { authorization: `Bearer ${authToken}`, "api-key": CLIENT_KEY } }, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`the observer's stream was answered with ${response.statusCode}`));
      response.setEncoding("utf8");
      response.on("data", (/** @type {string} */ text) => {
        chunks.push({ text, at: monotonic() });
        check();
        resolve(undefined);
      });
      response.on("error", () => {});
    });
    stream.on("error", reject);
    stream.end();
    atEnd(scope, () => void stream.destroy());
  });
  return {
    forget() {
      chunks = [];
    },
    /** When the first event since `forget` arrived. */
    firstEvent() {
      return new Promise((/** @type {(at: number) => void} */ resolve) => {
        check = () => {
          const found = chunks.find(({ text }) => text.includes('"event"'));
          if (found) resolve(found.at);
        };
        check();
      });
    },
    /** How many events arrived since `forget`. */
    events() {
      return chunks.map(({ text }) => text.split('"event":').length - 1).reduce((sum, count) => sum + count, 0);
    },
  };
}
