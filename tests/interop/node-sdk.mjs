// Clients of the published Node SDK that share nothing.

import { join } from "node:path";
import { Client, FileStore } from "@harnessio/ff-nodejs-server-sdk";
import { tempDir } from "../lib/scope.mjs";
import { SERVER_KEY } from "../lib/server.mjs";

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
  /** Posts what it counted; it would go on trying when the server is gone. */
  const close = async () => {
    client.close();
    await server.request(({ path, status }) => path.includes("/metrics/") && status === 200);
  };
  return { client, close };
}
