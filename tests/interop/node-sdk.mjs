// Clients of the published Node SDK that share nothing.

import { join } from "node:path";
import { Client, FileStore } from "@harnessio/ff-nodejs-server-sdk";
import { atEnd, tempDir } from "../lib/scope.mjs";
import { SERVER_KEY } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";

const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/**
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {import("../lib/server.mjs").TestServer} server
 * @param {{ key?: string, url?: string, options?: object }} [settings] `url` where it is not the server's own
 */
export function nodeClient(t, server, { key = SERVER_KEY, url = server.url, options } = {}) {
  const client = new Client(key, {
    baseUrl: url,
    eventsUrl: url,
    // Its default is one file for all processes of the machine.
    store: new FileStore({ filename: join(tempDir(t), "store.json") }),
    // Its default is one cache for all clients of the process, by flag alone: what another server's flag of the same name
    // left there wins if its version, which is a time in seconds, is not less, and is read for ever.
    cache: new Map(),
    logger: SILENT,
    ...options,
  });
  // A request that fails is sent again for ever, also by a client that is closed: what is under way when the server ends would keep this
  // process alive.
  const { interceptors } = /** @type {any} */ (client).httpsClient;
  let underWay = 0;
  interceptors.request.use((/** @type {object} */ request) => ((underWay += 1), request));
  interceptors.response.use((/** @type {object} */ response) => ((underWay -= 1), response), (/** @type {Error} */ error) => ((underWay -= 1), Promise.reject(error)));
  atEnd(t, () => until("the published SDK's requests to be answered", () => underWay === 0));
  /** Ends it, and waits until the server has what it counted. */
  const close = async () => {
    client.close();
    await server.request(({ path, status }) => path.includes("/metrics/") && status === 200);
  };
  return { client, close };
}
