// A server that stands between clients and flagwire-server, passes everything on, and does harm where the test asks for it.

import { createServer, request as httpRequest } from "node:http";
import { atEnd } from "./scope.mjs";
import { impatience, PATIENCE_MS } from "./wait.mjs";

/** How long a test waits for what clients do only after some failures. */
const RETRYING_MS = 3 * PATIENCE_MS;

/**
 * What a request suffers; nothing where all is missing.
 *
 * @typedef {object} Fault
 * @property {number} [delayMs] it is passed on so much later
 * @property {Promise<unknown>} [passAfter] it is passed on only then
 * @property {Promise<unknown>} [hold] the reply is kept back until then, while the server has counted the request
 * @property {"reset" | "hang"} [refuse] the connection is cut before the server hears of it, or never answered
 * @property {{ status: number, headers?: Record<string, string>, body?: string }} [answer] the proxy's own answer; the server never hears of it
 * @property {number} [cutAfter] so many bytes of the reply's body pass, then the connection is cut
 * @property {boolean} [split] each byte of the reply is written by itself
 * @property {(body: Buffer) => Buffer} [corrupt] changes the reply's body; of a stream, each event
 * @property {number} [silentAfterMs] a stream says nothing any more after so long, and stays open
 * @property {number} [cutAfterMs] a stream is cut after so long
 *
 * @typedef {object} Seen
 * @property {number} id
 * @property {string} method
 * @property {string} path without the query
 * @property {import("node:http").IncomingHttpHeaders} headers
 * @property {string} body
 * @property {boolean} stream
 * @property {number} [status] what the server answered; missing where it was not asked or did not answer
 * @property {boolean} delivered the reply has left whole
 * @property {number} cameAt steps of the proxy so far
 * @property {number} [openedAt] of a stream: the same, when it opened
 * @property {Fault} fault
 */

export class Proxy {
  /** Base URL, without a slash at its end. */
  url = "";
  /** Says what becomes of a request. */
  decide = /** @type {(request: Seen) => Fault} */ (() => ({}));
  /** Called at each step of a request, for logs. */
  onStep = /** @type {(request: Seen, step: string) => void} */ (() => {});
  /** Every request, preflights left out, in the order in which they came. */
  requests = /** @type {Seen[]} */ ([]);
  /** The paths of the preflights, in the order in which they came. */
  preflights = /** @type {string[]} */ ([]);
  /** The open streams. */
  streams = new Map(/** @type {[Seen, OpenStream][]} */ ([]));
  /** Milliseconds of silence after which the proxy sends a heartbeat of its own on open streams; 0 for never. */
  heartbeatMs = 0;

  #upstream;
  #steps = 0;
  #server = createServer((request, response) => void this.#serve(request, response));
  #sockets = new Set(/** @type {import("node:net").Socket[]} */ ([]));
  #watchers = new Set(/** @type {(() => void)[]} */ ([]));

  /** @param {string} upstream base URL of the server behind */
  constructor(upstream) {
    this.#upstream = new URL(upstream);
    // Node ends an idle connection after five seconds, and a client that was busy so long may just be using it again: its request would fail.
    this.#server.keepAliveTimeout = 0;
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** @param {number} [port] */
  async start(port = 0) {
    await new Promise((resolve) => this.#server.listen(port, "127.0.0.1", () => resolve(undefined)));
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy has no port");
    this.url = `http://127.0.0.1:${address.port}`;
  }

  stop() {
    this.cutAll();
    this.#server.close();
  }

  /** Cuts every connection there is, as a router does that restarts. */
  cutAll() {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** @param {(request: Seen) => boolean} condition */
  count(condition) {
    return this.requests.filter(condition).length;
  }

  /**
   * Waits until the condition holds; it is looked at after each step of each request. The client may have to try several times, with
   * growing pauses.
   *
   * @param {() => boolean} condition
   */
  until(condition) {
    return new Promise((/** @type {(value?: undefined) => void} */ resolve, reject) => {
      const timer = setTimeout(() => {
        this.#watchers.delete(look);
        reject(impatience(`the proxy to see ${condition}; ${this.streams.size} streams are open, and the last requests were\n${this.#lastRequests()}`, RETRYING_MS));
      }, RETRYING_MS).unref();
      const look = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  #lastRequests() {
    return this.requests.slice(-20).map(({ method, path, status, delivered, openedAt }) => `${method} ${path} ${status ?? "not passed on or not answered"}${delivered ? ", delivered" : ""}${openedAt === undefined ? "" : ", opened"}`).join(
      "\n",
    );
  }

  /** @param {Seen} seen @param {string} step */
  #step(seen, step) {
    this.onStep(seen, step);
    for (const look of this.#watchers) look();
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #serve(request, response) {
    const body = Buffer.concat(await request.toArray().catch(() => []));
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    /** @type {Seen} */
    const seen = { id: this.requests.length, method: request.method ?? "", path, headers: request.headers, body: body.toString(), stream: path.endsWith("/stream"), delivered: false, cameAt: this.#steps += 1, fault: {} };
    // A browser asks for leave before it asks: that is no request of the client's.
    const preflight = seen.method === "OPTIONS";
    if (preflight) this.preflights.push(path);
    else {
      seen.fault = this.decide(seen);
      this.requests.push(seen);
      this.#step(seen, "came");
    }
    const { refuse, answer, delayMs, passAfter, hold } = seen.fault;
    response.on("error", () => undefined);
    if (delayMs) await new Promise((resolve) => setTimeout(resolve, delayMs));
    await passAfter;
    if (refuse === "hang") return;
    if (refuse === "reset") return void request.socket.destroy();
    if (answer) {
      response.writeHead(answer.status, { "access-control-allow-origin": "*", "access-control-expose-headers": "*", "content-type": "application/json", ...answer.headers });
      response.end(answer.body ?? "{}");
      this.#step(seen, `was answered ${answer.status}`);
      return;
    }
    const upstream = httpRequest(
      { host: this.#upstream.hostname, port: this.#upstream.port, method: request.method, path: request.url, headers: { ...request.headers, "accept-encoding": "identity" } },
      (reply) => {
        seen.status = reply.statusCode;
        if (!preflight) this.#step(seen, `server answered ${reply.statusCode}`);
        if (reply.headers["content-type"]?.startsWith("text/event-stream")) this.#stream(seen, reply, response, upstream);
        else void this.#reply(seen, reply, response, hold);
      },
    );
    upstream.on("error", () => response.destroy());
    response.on("close", () => {
      if (!response.writableFinished) upstream.destroy();
    });
    upstream.end(body);
  }

  /** @param {Seen} seen @param {import("node:http").IncomingMessage} reply @param {import("node:http").ServerResponse} response @param {Promise<unknown>} [hold] */
  async #reply(seen, reply, response, hold) {
    /** @type {Buffer} */
    let body;
    try {
      body = Buffer.concat(await reply.toArray());
    } catch {
      return void response.destroy();
    }
    await hold;
    const { corrupt, cutAfter, split } = seen.fault;
    if (corrupt && seen.status === 200) body = corrupt(body);
    response.writeHead(reply.statusCode ?? 502, withoutLength(reply.headers));
    if (cutAfter !== undefined) {
      response.write(body.subarray(0, cutAfter), () => response.destroy());
      if (cutAfter === 0) response.flushHeaders();
      this.#step(seen, `cut after ${cutAfter} bytes`);
      return;
    }
    response.on("finish", () => {
      seen.delivered = true;
      this.#step(seen, "delivered");
    });
    if (split) await writeBytes(response, body);
    else response.write(body);
    response.end();
  }

  /** @param {Seen} seen @param {import("node:http").IncomingMessage} reply @param {import("node:http").ServerResponse} response @param {import("node:http").ClientRequest} upstream */
  #stream(seen, reply, response, upstream) {
    if (response.destroyed) return void upstream.destroy(); // whoever asked has gone meanwhile
    const { corrupt, split, silentAfterMs, cutAfterMs } = seen.fault;
    response.writeHead(reply.statusCode ?? 502, withoutLength(reply.headers));
    response.flushHeaders();
    // A ticket in the address is a native stream's, which sees no comments.
    const heartbeat = seen.headers["api-key"] ? ":\n\n" : "event: heartbeat\ndata: {}\n\n";
    const stream = new OpenStream(response, split === true);
    seen.openedAt = this.#steps += 1;
    this.streams.set(seen, stream);
    this.#step(seen, "stream opened");
    const timers = [
      this.heartbeatMs ? setInterval(() => stream.write(Buffer.from(heartbeat)), this.heartbeatMs) : undefined,
      silentAfterMs !== undefined ? setTimeout(() => (stream.silent = true), silentAfterMs) : undefined,
      cutAfterMs !== undefined ? setTimeout(() => response.destroy(), cutAfterMs) : undefined,
    ];
    let rest = Buffer.alloc(0);
    reply.on("data", (/** @type {Buffer} */ chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
        const event = rest.subarray(0, end + 2);
        rest = rest.subarray(end + 2);
        stream.write(corrupt ? corrupt(event) : event);
      }
    });
    reply.on("error", () => response.destroy());
    reply.on("close", () => response.destroy());
    response.on("close", () => {
      for (const timer of timers) clearTimeout(timer);
      upstream.destroy();
      this.streams.delete(seen);
      this.#step(seen, "stream closed");
    });
  }
}

/** The clients' side of a stream. Events leave whole and in order, whoever writes them. */
class OpenStream {
  silent = false;
  #response;
  #split;
  #writing = Promise.resolve();

  /** @param {import("node:http").ServerResponse} response @param {boolean} split */
  constructor(response, split) {
    this.#response = response;
    this.#split = split;
  }

  /** @param {Buffer} event */
  write(event) {
    this.#writing = this.#writing.then(() => {
      if (this.silent || this.#response.destroyed) return;
      if (this.#split) return writeBytes(this.#response, event);
      this.#response.write(event);
    });
  }

  cut() {
    this.#response.destroy();
  }
}

/**
 * Starts a proxy.
 *
 * @param {import("./scope.mjs").Scope} t ends it with the test
 * @param {string} upstream
 */
export async function startProxy(t, upstream) {
  const proxy = new Proxy(upstream);
  atEnd(t, () => proxy.stop());
  await proxy.start();
  return proxy;
}

/** Bytes one by one, each handed to the system before the next. @param {import("node:http").ServerResponse} response @param {Buffer} bytes */
async function writeBytes(response, bytes) {
  response.socket?.setNoDelay(true);
  for (const byte of bytes) {
    if (response.destroyed) return;
    await new Promise((resolve) => response.write(Buffer.from([byte]), resolve));
    // The turn in between lets the system send it.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** @param {import("node:http").IncomingHttpHeaders} headers */
function withoutLength(headers) {
  const { "content-length": _, "transfer-encoding": __, connection: ___, ...rest } = headers;
  return rest;
}
