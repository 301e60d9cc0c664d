// Streams through nginx, which keeps connections to the server open and speaks HTTP/2 over TLS to clients; read by curl and
// by the published Node SDK. The server takes the socket of a stream over from its HTTP library: what a proxy makes of that,
// and of such a stream's end, only a proxy can show.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { startService } from "../../scripts/lib/services.mjs";
import { proxyPrograms } from "../../scripts/setup.mjs";
import { FLAGS, TARGET } from "../lib/flags.mjs";
import { atEnd, tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { nodeClient } from "./node-sdk.mjs";

const programs = await proxyPrograms();
const none = Object.entries(programs).flatMap(([name, path]) => (path ? [] : [name]));
const skip = none.length > 0 && `needs ${none.join(" and ")}, which \`npm run setup\` installs where there is apt`;
const { nginx = "", curl = "", openssl = "" } = programs;

/** Long enough for every stream to end by itself. */
const DRAIN = ["--drain-seconds", "30"];

/** @typedef {import("../lib/scope.mjs").Scope} Scope */
/** @typedef {import("../lib/server.mjs").TestServer} TestServer */
/** @typedef {{ url: string, args: string[] }} Way how curl gets to the server */

/** A folder with a certificate for 127.0.0.1 and its key. @param {Scope} t */
function certify(t) {
  const folder = tempDir(t);
  const files = { certificate: join(folder, "certificate.pem"), key: join(folder, "key.pem") };
  const what = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync(openssl, ["req", "-x509", "-days", "2", ...what, "-out", files.certificate, "-keyout", files.key], { stdio: "pipe" });
  return files;
}

/** Ports that were free a moment ago: nginx cannot choose its own and say which. @param {number} count */
async function freePorts(count) {
  const probes = await Promise.all(
    Array.from({ length: count }, () => /** @type {Promise<import("node:net").Server>} */ (new Promise((resolve) => {
      const probe = createServer().listen(0, "127.0.0.1", () => resolve(probe));
    }))),
  );
  const ports = probes.map((probe) => /** @type {import("node:net").AddressInfo} */ (probe.address()).port);
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
}

/** An nginx of the test's own in front of a server. @param {Scope} t @param {TestServer} server */
async function startNginx(t, server) {
  const { certificate, key } = certify(t);
  const { service, plain, encrypted } = await until("nginx to have its ports", () => tryNginx(t, server, certificate, key));
  atEnd(t, service.stop);
  return {
    http1: /** @type {Way} */ ({ url: `http://127.0.0.1:${plain}`, args: ["--http1.1"] }),
    http2: /** @type {Way} */ ({ url: `https://127.0.0.1:${encrypted}`, args: ["--http2", "--cacert", certificate] }),
    /** Ends it as a crash would. */
    kill: async () => {
      process.kill(service.pid, "SIGKILL");
      await service.exited;
    },
  };
}

/** Starts nginx; nothing where somebody else took one of its ports meanwhile. @param {Scope} t @param {TestServer} server @param {string} certificate @param {string} key */
async function tryNginx(t, server, certificate, key) {
  const folder = tempDir(t);
  const [plain, encrypted] = await freePorts(2);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${name};`).join(" ");
  writeFileSync(
    join(folder, "nginx.conf"),
    `
    # One process in the foreground, so that to kill it is to kill all of it.
    daemon off; master_process off; pid nginx.pid; error_log stderr notice;
    events {}
    http {
      access_log off; ${temporary}
      upstream flagwire { server ${new URL(server.url).host}; keepalive 4; }
      server {
        listen 127.0.0.1:${plain};
        listen 127.0.0.1:${encrypted} ssl http2;
        ssl_certificate ${certificate}; ssl_certificate_key ${key};
        location / { proxy_pass http://flagwire; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
      }
    }`,
  );
  // Says its version once it listens.
  try {
    const service = await startService("nginx", nginx, ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr"], { ready: /\[notice\].* nginx\// });
    return { service, plain, encrypted };
  } catch (error) {
    if (!/in use/i.test(String(error))) throw error;
    return undefined;
  }
}

/**
 * Opens the stream with curl, after a sign-in the same way.
 *
 * @param {Scope} t
 * @param {Way} way
 */
function openStream(t, { url, args }) {
  const body = JSON.stringify({ apiKey: CLIENT_KEY, target: TARGET });
  const reply = execFileSync(curl, ["--silent", "--show-error", ...args, "--header", "content-type: application/json", "--data", body, `${url}/client/auth`], { encoding: "utf8" });
  const { authToken } = JSON.parse(reply);
  const child = spawn(curl, ["--silent", "--show-error", "--no-buffer", ...args, "--write-out", "over HTTP/%{http_version}", "--header", `authorization: Bearer ${authToken}`, `${url}/stream?cluster=1`]);
  let text = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.setEncoding("utf8").on("data", (more) => (text += more));
  const ended = /** @type {Promise<number | null>} */ (new Promise((resolve) => child.once("close", resolve)));
  const end = () => {
    child.kill("SIGKILL");
    return ended;
  };
  atEnd(t, end);
  return {
    end,
    /** Waits until the stream has said this, and forgets what it said up to there. @param {string} wanted */
    says: async (wanted) => {
      await until(() => `the stream to say ${JSON.stringify(wanted)}; it said ${JSON.stringify(text)}`, () => text.includes(wanted));
      text = text.slice(text.indexOf(wanted) + wanted.length);
    },
    /** curl's exit code, 0 for a reply that was complete, and the last it said. */
    ended: ended.then((code) => ({ code, text: text.slice(text.lastIndexOf("\n") + 1) })),
  };
}

/** @param {string} url */
async function clients(url) {
  return (await (await fetch(`${url}/status`)).json()).environments.development.clients;
}

/** @type {Record<string, (t: Scope) => Promise<{ server: TestServer, way: Way, version: string }>>} */
const WAYS = {
  "through nginx": async (t) => {
    const server = await startServer(t, { flags: FLAGS, args: ["--heartbeat-ms", "50", ...DRAIN] });
    return { server, way: (await startNginx(t, server)).http1, version: "1.1" };
  },
  "through nginx, by HTTP/2 over TLS": async (t) => {
    const server = await startServer(t, { flags: FLAGS, args: ["--heartbeat-ms", "50", ...DRAIN] });
    return { server, way: (await startNginx(t, server)).http2, version: "2" };
  },
  "without a proxy, by HTTP/2 over TLS": async (t) => {
    const { certificate, key } = certify(t);
    const server = await startServer(t, { flags: FLAGS, args: ["--heartbeat-ms", "50", ...DRAIN, "--tls-certificate", certificate, "--tls-key", key] });
    return { server, way: { url: server.url, args: ["--http2", "--cacert", certificate] }, version: "2" };
  },
};

for (const [name, start] of Object.entries(WAYS)) {
  test(`a stream ${name} brings changes and heartbeats, and ends whole when the server stops`, { skip }, async (t) => {
    const { server, way, version } = await start(t);
    const stream = openStream(t, way);
    for (let heartbeats = 0; heartbeats < 3; heartbeats += 1) await stream.says(":\n\n");
    server.editFlags((text) => text.replace("default: classic", "default: ocean"));
    await stream.says('"identifier":"theme"');
    await stream.says("\n\n");
    assert.equal(await server.stop(), 0, "the server waits for nothing that has ended");
    assert.deepEqual(await stream.ended, { code: 0, text: `over HTTP/${version}` });
  });
}

test("streams end on the server with their client, and with nginx", { skip }, async (t) => {
  const server = await startServer(t, { flags: FLAGS, args: DRAIN });
  const proxy = await startNginx(t, server);
  const streams = [proxy.http1, proxy.http2, proxy.http2].map((way) => openStream(t, way));
  for (const stream of streams) await stream.says(":\n\n");
  assert.equal(await clients(server.url), 3);
  for (const left of [2, 1]) {
    await streams[left].end();
    await until("a stream to end with its client", async () => (await clients(server.url)) === left);
  }
  await proxy.kill();
  await until("the last stream to end with nginx", async () => (await clients(server.url)) === 0);
  assert.notEqual((await streams[0].ended).code, 0);
  assert.equal(await server.stop(), 0);
});

test("the published Node SDK sees changes through nginx", { skip }, async (t) => {
  const server = await startServer(t, { flags: FLAGS });
  const { http1 } = await startNginx(t, server);
  const { client, close } = nodeClient(t, server, { url: http1.url });
  atEnd(t, close);
  await client.waitForInitialization();
  await until("its stream", async () => (await clients(server.url)) === 1);
  const theme = () => client.stringVariation("theme", TARGET, "default");
  await until("what the server has", async () => (await theme()) === "classic");
  server.editFlags((text) => text.replace("default: classic", "default: ocean"));
  await until("the change", async () => (await theme()) === "ocean");
});
