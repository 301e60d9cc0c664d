// Several flagwire-servers that share through a Redis server of their own, and how long a change takes to each one's streams.

import { once } from "node:events";
import { get } from "node:http";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { redisServer } from "../../scripts/lib/programs.mjs";
import { Plain } from "../../scripts/lib/run.mjs";
import { startService } from "../../scripts/lib/services.mjs";
import { atEnd, tempDir } from "../../tests/lib/scope.mjs";
import { CLIENT_KEY, flagName, flagsFile, startServer } from "./server.mjs";
import { summary } from "./stats.mjs";

/** Changes that are measured, at most, and for how long, of each kind. */
const MOST_CHANGES = 200;
const MOST_MS = 20_000;
/** Between two changes, so that none waits for the one before. */
const REST_MS = 20;

/** A Redis server without persistence, and its address. */
async function startRedis(/** @type {import("../../tests/lib/scope.mjs").Scope} */ scope) {
  const program = await redisServer();
  if (!program) throw new Plain("Replicas share through Redis, which is not installed: run `npm run setup`, or set REDIS_SERVER.");
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (probe.address());
  probe.close();
  await once(probe, "close");
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", tempDir(scope), "--save", "", "--appendonly", "no"];
  const service = await startService("redis-server", program, args, { ready: /Ready to accept connections/ });
  atEnd(scope, () => service.stop());
  return `redis://127.0.0.1:${port}`;
}

/** @param {string} url @returns {Promise<any>} how the one environment stands */
async function status(url) {
  const reply = await fetch(`${url}/status`);
  return Object.values(/** @type {any} */ (await reply.json()).environments)[0];
}

/**
 * Opens a stream; `heard` is called with the moment of each change.
 *
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {string} url
 * @param {(at: number) => void} heard
 */
async function listen(scope, url, heard) {
  const signIn = await fetch(`${url}/client/auth`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ apiKey: CLIENT_KEY, target: { identifier: "load" } }) });
  const { authToken } = /** @type {any} */ (await signIn.json());
  // Not by `fetch`, whose streams take a moment of their own.
  const request = get(`${url}/stream?cluster=1`, { headers: { authorization: `Bearer ${authToken}`, "api-key": CLIENT_KEY } });
  atEnd(scope, () => void request.destroy());
  const [reply] = await once(request, "response");
  if (reply.statusCode !== 200) throw new Error(`a stream was refused: ${reply.statusCode}`);
  reply.on("error", () => {});
  reply.on("data", (/** @type {Buffer} */ chunk) => {
    if (chunk.includes('"event":"patch"')) heard(performance.now());
  });
}

/**
 * Changes a flag again and again, through the replica that leads and through another one.
 *
 * @param {import("../../tests/lib/scope.mjs").Scope} scope
 * @param {number} count of replicas
 * @returns {Promise<{ askedOf: string, told: string, times: import("./stats.mjs").Summary }[]>} milliseconds from the change being asked for
 */
export async function replicaLag(scope, count) {
  const redis = await startRedis(scope);
  const flags = flagsFile(100);
  const servers = [];
  for (let index = 0; index < count; index++) servers.push(await startServer(scope, { flags, args: ["--redis", redis] }));
  let standing = [];
  do {
    await sleep(50);
    standing = await Promise.all(servers.map(({ url }) => status(url)));
  } while (!standing.every(({ state, replica }) => state === "live" && replica.leader !== null));
  const leader = standing.findIndex(({ replica }) => replica.role === "leader");

  let heard = /** @type {(number | undefined)[]} */ ([]);
  let all = () => {};
  for (const [index, { url }] of servers.entries()) {
    await listen(scope, url, (at) => {
      heard[index] ??= at;
      if (servers.every((_, index) => heard[index] !== undefined)) all();
    });
  }
  const results = [];
  let on = true;
  for (const asked of [leader, (leader + 1) % count]) {
    const own = /** @type {number[]} */ ([]);
    const others = /** @type {number[]} */ ([]);
    const later = /** @type {number[]} */ ([]);
    const until = performance.now() + MOST_MS;
    for (let change = 0; change < MOST_CHANGES && performance.now() < until; change++) {
      heard = [];
      const everybody = new Promise((resolve) => (all = () => resolve(undefined)));
      const start = performance.now();
      await servers[asked].set(flagName(0), on);
      await everybody;
      const first = /** @type {number} */ (heard[leader]);
      own.push(first - start);
      for (const at of /** @type {number[]} */ (heard.filter((_, index) => index !== leader))) {
        others.push(at - start);
        later.push(at - first);
      }
      on = !on;
      await sleep(REST_MS);
    }
    const askedOf = asked === leader ? "the leader" : "another one";
    results.push({ askedOf, told: "the leader's", times: summary(own) }, { askedOf, told: "the others'", times: summary(others) }, { askedOf, told: "the others', after the leader's", times: summary(later) });
  }
  return results;
}
