// The package in frames: of the same site, of a third party, in a sandbox; and where the user has blocked sites' data.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { serveClientPage } from "../lib/client-page.mjs";
import { startEngine, startEngines } from "../lib/engines.mjs";
import { FLAGS } from "../lib/flags.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { changeTheme, live, served, TRANSPORTS } from "./support.mjs";

/** Runs a client in a frame and tells the page around it what it hears. */
const FRAME = `
const [baseUrl, streamTransport] = [...new URLSearchParams(location.search).values()];
const say = (text) => parent.postMessage(text, "*");
addEventListener("error", ({ message }) => say("error: " + message));
addEventListener("unhandledrejection", ({ reason }) => say("error: " + reason));
const seen = (look) => { try { return look(); } catch (error) { return error.name; } };
say("storage: " + seen(() => (localStorage.setItem("x", "y"), "works")));
const started = setInterval(() => {
  if (!("flagwire" in window)) return;
  clearInterval(started);
  const client = flagwire.initialize("${CLIENT_KEY}", { identifier: "ada" }, { baseUrl, streamTransport, cache: true });
  client.on("error", ({ code, message }) => say("error: " + code + " " + message));
  client.onFlag("theme", say);
  onmessage = ({ data }) => data === "close" && (client.close(), say("closed"));
}, 10);
`;

/** Where the frame is, as seen from the page around it. @type {Record<string, { of: (url: string) => string, sandbox?: string }>} */
const FRAMES = {
  "the same site": { of: (url) => url },
  "a third party": { of: (url) => url.replace("127.0.0.1", "localhost") },
  "a sandbox": { of: (url) => url, sandbox: "allow-scripts" },
};

// A page that Playwright opens in Chromium is incognito, where third parties' data is blocked.
for (const engine of await startEngines({ after })) {
  describe(engine.name, () => {
    for (const where of Object.keys(FRAMES)) {
      for (const streamTransport of TRANSPORTS) {
        test(`a change arrives in a frame of ${where}: ${streamTransport}`, (t) => inFrame(t, engine, where, streamTransport, where === "the same site" || (where === "a third party" && engine.name !== "chromium")));
      }
    }
  });
}

for (const name of /** @type {const} */ (["chromium", "firefox", "webkit"])) {
  test(`${name} with site data blocked`, async (t) => {
    // The other choice than above. WebKit keeps what third parties store apart from all else, and has no setting to block it.
    if (name !== "webkit") {
      const blocked = name === "chromium" ? "nothing" : "third-party";
      const engine = await startEngine(t, name, { blocked });
      for (const streamTransport of TRANSPORTS) {
        await t.test(`a change arrives in a frame of a third party, with ${blocked} blocked: ${streamTransport}`, (t) => inFrame(t, engine, "a third party", streamTransport, blocked === "nothing"));
      }
    }
    const engine = await startEngine(t, name, { blocked: "all" });
    for (const streamTransport of TRANSPORTS) {
      await t.test(`a change arrives where all site data is blocked: ${streamTransport}`, async (t) => {
        const { server, page } = await live(t, engine, { options: { cache: true, streamTransport } });
        const refused = await page.evaluate(() => {
          try {
            localStorage.setItem("x", "y");
            return false;
          } catch {
            return true;
          }
        });
        assert.ok(refused, "the storage is refused");
        changeTheme(server, "classic", "ocean");
        await served(page, "theme", "ocean");
      });
    }
  });
}

/**
 * A client in a frame sees a change, and its end leaves no stream.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {import("./support.mjs").Engine} engine
 * @param {string} where
 * @param {string} streamTransport
 * @param {boolean} stores whether the frame has a storage
 */
async function inFrame(t, engine, where, streamTransport, stores) {
  const { of, sandbox } = FRAMES[where] ?? assert.fail(where);
  const server = await startServer(t, { flags: FLAGS });
  const proxy = await startProxy(t, server.url);
  // Importable from anywhere: a page in a sandbox is of no origin.
  const inner = await serveClientPage(t, { before: FRAME, headers: { "access-control-allow-origin": "*" } });
  const page = await engine.open(t, `${await serveClientPage(t)}other.html`);
  await page.evaluate(
    ({ src, sandbox }) => {
      const said = /** @type {string[]} */ ([]);
      addEventListener("message", ({ data }) => said.push(data));
      const frame = document.createElement("iframe");
      if (sandbox) frame.setAttribute("sandbox", sandbox);
      Object.assign(window, { said, tell: (/** @type {string} */ text) => frame.contentWindow?.postMessage(text, "*") });
      frame.src = src;
      document.body.append(frame);
    },
    { src: `${of(inner)}?${new URLSearchParams({ server: proxy.url, streamTransport })}`, sandbox },
  );
  const said = () => page.evaluate(() => /** @type {string[]} */ (/** @type {any} */ (window).said));
  const untilSaid = async (/** @type {string} */ text) => {
    await until(`the frame to say “${text}”`, async () => (await said()).some((said) => said === text || said.startsWith("error")));
    assert.ok((await said()).includes(text), (await said()).join("\n"));
  };
  await untilSaid("classic");
  await proxy.until(() => proxy.streams.size === 1);
  changeTheme(server, "classic", "ocean");
  await untilSaid("ocean");
  await untilSaid(`storage: ${stores ? "works" : "SecurityError"}`);
  await page.evaluate(() => /** @type {any} */ (window).tell("close"));
  await proxy.until(() => proxy.streams.size === 0);
}
