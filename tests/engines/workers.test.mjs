// The package in each kind of worker: it gets ready there, streams, and sees a change.

import assert from "node:assert/strict";
import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { packageDir } from "../../scripts/lib/products.mjs";
import { startEngines } from "../lib/engines.mjs";
import { serveFiles } from "../lib/files.mjs";
import { FLAGS } from "../lib/flags.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { changeTheme, TRANSPORTS } from "./support.mjs";

/** Policies of a worker's script: all that it may do, and no WebAssembly. */
const POLICIES = { "may compile WebAssembly": "", "may not compile WebAssembly": "script-src 'self'" };

/** Runs a client and tells what it hears through `say`. @param {string} entry */
const use = (entry) => `
import { initialize, Event } from "./${entry}.js";
function use(search) {
  const [baseUrl, streamTransport] = [...new URLSearchParams(search).values()];
  const client = initialize("${CLIENT_KEY}", { identifier: "user-42" }, { baseUrl, streamTransport });
  client.on(Event.ERROR, ({ message, cause }) => say("error: " + message + " " + cause));
  client.on(Event.CONNECTED, () => say("connected"));
  client.onFlag("theme", (value) => say(value));
  client.ready().then(() => say("ready"), (error) => say("error: " + error));
}`;

/** @type {Record<string, { page: string, worker: string }>} */
const WORKERS = {
  "a module worker": {
    page: 'new Worker("worker.js", { type: "module", name: location.search }).onmessage = ({ data }) => said.push(data);',
    worker: "const say = (text) => postMessage(text); use(self.name);",
  },
  "a shared worker": {
    page: 'new SharedWorker("worker.js", { type: "module", name: location.search }).port.onmessage = ({ data }) => said.push(data);',
    worker: "let port; const say = (text) => port.postMessage(text); onconnect = ({ ports }) => { port = ports[0]; use(self.name); };",
  },
  "a service worker": {
    page: `navigator.serviceWorker.onmessage = ({ data }) => said.push(data);
      navigator.serviceWorker.startMessages();
      navigator.serviceWorker.register("worker.js", { type: "module" }).catch((error) => said.push("error: " + error));
      navigator.serviceWorker.ready.then(({ active }) => active.postMessage(location.search));`,
    // Without waitUntil the browser may end it.
    worker: "let say; onmessage = (event) => { say = (text) => event.source.postMessage(text); event.waitUntil(new Promise(() => {})); use(event.data); };",
  },
};

for (const engine of await startEngines({ after })) {
  describe(engine.name, () => {
    for (const [name, { page: script, worker }] of Object.entries(WORKERS)) {
      for (const [policy, header] of Object.entries(POLICIES)) {
        for (const streamTransport of header ? ["fetch"] : TRANSPORTS) {
          test(`a change arrives in ${name} that ${policy}: ${streamTransport}`, async (t) => {
            const server = await startServer(t, { flags: FLAGS });
            const proxy = await startProxy(t, server.url);
            const folder = tempDir(t);
            for (const file of readdirSync(packageDir)) if (/\.(js|wasm)$/.test(file)) copyFileSync(join(packageDir, file), join(folder, file));
            writeFileSync(join(folder, "index.html"), '<!doctype html><link rel="icon" href="data:,"><script type="module" src="main.js"></script>');
            writeFileSync(join(folder, "main.js"), `window.said = []; ${script}`);
            // A service worker knows no import(), by which the JavaScript build is loaded elsewhere.
            writeFileSync(join(folder, "worker.js"), use(header && name === "a service worker" ? "javascript" : "index") + worker);
            const url = await serveFiles(t, folder, { headers: header ? { "content-security-policy": header } : {} });
            const page = await engine.open(t, `${url}/?${new URLSearchParams({ server: proxy.url, streamTransport })}`);
            const said = () => page.evaluate(() => /** @type {string[]} */ (/** @type {any} */ (window).said ?? []));
            const untilSaid = async (/** @type {string} */ text) => {
              await until(`the worker to say “${text}”`, async () => (await said()).some((said) => said === text || said.startsWith("error")));
              assert.ok((await said()).includes(text), (await said()).join("\n"));
            };
            for (const text of ["classic", "ready", "connected"]) await untilSaid(text);
            changeTheme(server, "classic", "ocean");
            await untilSaid("ocean");
            assert.ok([...proxy.streams.keys()].every(({ headers }) => "api-key" in headers === (streamTransport === "fetch")));
          });
        }
      }
    }
  });
}
