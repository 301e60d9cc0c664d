// The server restarts, and connections are cut: the page goes on, and shows what changed meanwhile.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { startEngines } from "../lib/engines.mjs";
import { changeTheme, complaints, live, served, toldThemes, TRANSPORTS } from "./support.mjs";

/** What engines say of their own accord about requests that fail. */
const OF_REQUESTS = /Failed to load resource|has been blocked by CORS policy|Cross-Origin Request Blocked|The connection to .* was interrupted/;

/**
 * Beside that the client may say which of its requests failed, each sentence once.
 *
 * @param {import("./support.mjs").EnginePage} page
 */
async function assertSaidOnce(page) {
  const said = (await complaints(page)).filter((text) => !OF_REQUESTS.test(text));
  assert.ok(new Set(said).size === said.length && said.every((text) => text.startsWith("Flagwire: network, ")), said.join("\n"));
}

for (const engine of await startEngines({ after })) {
  describe(engine.name, () => {
    for (const streamTransport of TRANSPORTS) {
      test(`the server restarts with other flags: ${streamTransport}`, async (t) => {
        const { server, proxy, page } = await live(t, engine, { options: { streamTransport } });
        await proxy.until(() => proxy.streams.size === 1);
        await server.kill();
        await page.until("the loss to be told", () => /** @type {any[]} */ (/** @type {any} */ (window).clients.main.events).some(({ event }) => event === "disconnected"));
        changeTheme(server, "classic", "ocean");
        await server.start();
        await served(page, "theme", "ocean");
        await proxy.until(() => proxy.streams.size === 1);
        changeTheme(server, "ocean", "classic");
        await served(page, "theme", "classic");
        assert.deepEqual(await toldThemes(page), ["classic", "ocean", "classic"]);
        await assertSaidOnce(page);
      });

      test(`the network is away and returns: ${streamTransport}`, async (t) => {
        const { server, proxy, page } = await live(t, engine, { options: { streamTransport } });
        await proxy.until(() => proxy.streams.size === 1);
        proxy.decide = () => ({ refuse: "reset" });
        const tried = proxy.requests.length;
        proxy.cutAll();
        await proxy.until(() => proxy.requests.length > tried);
        changeTheme(server, "classic", "ocean");
        proxy.decide = () => ({});
        await served(page, "theme", "ocean");
        await proxy.until(() => proxy.streams.size === 1);
        changeTheme(server, "ocean", "classic");
        await served(page, "theme", "classic");
        assert.deepEqual(await toldThemes(page), ["classic", "ocean", "classic"]);
        await assertSaidOnce(page);
      });
    }
  });
}
