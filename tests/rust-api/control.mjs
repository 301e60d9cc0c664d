// What the tests in the browser ask for: servers of their own, with a proxy in front of each that sees and harms.

import { createServer } from "node:http";
import { startProxy } from "../lib/proxy.mjs";
import { atEnd } from "../lib/scope.mjs";
import { startServer } from "../lib/server.mjs";

/**
 * @typedef {{ server: import("../lib/server.mjs").TestServer, proxy: import("../lib/proxy.mjs").Proxy }} Service
 */

/**
 * Starts the control. A test posts JSON and gets JSON.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @returns {Promise<string>} its host and port
 */
export async function startControl(t) {
  /** @type {Service[]} */
  const services = [];
  const control = createServer((request, response) => {
    const headers = { "access-control-allow-origin": "*", "access-control-allow-headers": "*" };
    answer(t, services, request).then(
      (body) => response.writeHead(200, { ...headers, "content-type": "application/json" }).end(JSON.stringify(body ?? null)),
      (error) => response.writeHead(500, headers).end(String(error instanceof Error ? error.stack : error)),
    );
  });
  await new Promise((resolve) => control.listen(0, "127.0.0.1", () => resolve(undefined)));
  atEnd(t, () => {
    control.closeAllConnections();
    control.close();
  });
  const address = control.address();
  if (address === null || typeof address === "string") throw new Error("the control has no port");
  return `127.0.0.1:${address.port}`;
}

/**
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {Service[]} services
 * @param {import("node:http").IncomingMessage} request
 * @returns {Promise<unknown>}
 */
async function answer(t, services, request) {
  const what = (request.url ?? "/").slice(1);
  const text = Buffer.concat(await request.toArray()).toString();
  if (request.method === "OPTIONS") return null;
  const { id = 0, ...detail } = JSON.parse(text);
  if (what === "start") {
    const server = await startServer(t, { flags: detail.flags });
    const proxy = await startProxy(t, server.url);
    services.push({ server, proxy });
    return { id: services.length - 1, url: proxy.url };
  }
  const service = services[id];
  if (!service) throw new Error(`there is no service ${id}`);
  const { server, proxy } = service;
  switch (what) {
    // Saves the flags file; answers once the server serves it.
    case "edit":
      server.lines.length = 0;
      server.editFlags(() => detail.flags);
      await server.line(/flags loaded/);
      return null;
    // Answers the next requests to a path by itself, so many times.
    case "harm": {
      let left = detail.times ?? 1;
      proxy.decide = ({ path }) => {
        if (!path.endsWith(detail.path) || left === 0) return {};
        left -= 1;
        return detail.fault;
      };
      return null;
    }
    // Cuts all connections.
    case "cut":
      proxy.cutAll();
      return null;
    // Waits until so many streams are open, and a list that was asked for after the last of them had opened has arrived.
    case "settled":
      await proxy.until(() => {
        const open = [...proxy.streams.keys()];
        const since = Math.max(...open.map(({ openedAt }) => openedAt ?? Infinity));
        const fetched = proxy.requests.some(({ path, cameAt, delivered }) => path.endsWith("/evaluations") && cameAt > since && delivered);
        return open.length === detail.streams && (fetched || detail.streams === 0);
      });
      return null;
    // Waits until so many requests to a path were answered; answers with them.
    case "requests": {
      const those = () => proxy.requests.filter(({ path, status }) => path.includes(detail.path) && status !== undefined);
      await proxy.until(() => those().length >= detail.count);
      return those().map(({ method, path, headers, body, status }) => ({ method, path, headers, body: body && JSON.parse(body), status }));
    }
    default:
      throw new Error(`what is ${what}?`);
  }
}
