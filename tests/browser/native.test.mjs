// What the browser's own EventSource keeps to itself.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { startClient, told, untilServed, untilTold } from "../lib/client-page.mjs";
import { edit, setUp } from "./support.mjs";

const browser = await startBrowser({ after });

test("the loss of a native stream is told when it happens, not when the silence is noticed", async (t) => {
  const { server, page } = await setUp(t, browser);
  await startClient(page, server.url, { options: { streamTransport: "eventsource" } });
  await untilTold(page, "connected");
  await server.kill();
  await untilTold(page, "disconnected");
  const { events } = await told(page);
  assert.equal(events.find(({ event }) => event === "stream error")?.code, "network", "silence would be a timeout");
  await server.start();
  await edit(server, (text) => text.replace("size: 10", "size: 20"));
  await untilServed(page, "size", 20);
});
