// Long lives and many lives: neither the module's memory nor the page's grows.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { STACK_BYTES } from "../../scripts/lib/wasm-module.mjs";
import { startBrowser } from "../lib/browser.mjs";
import { startClient, untilServed } from "../lib/client-page.mjs";
import { setUp, untilSettled } from "./support.mjs";

const browser = await startBrowser({ after });
/** What the JavaScript heap may be larger by afterwards: compiled code and the browser's own, in bytes. A leak is larger. */
const SLACK = 300_000;

test("2,000 events do not make the page grow", async (t) => {
  const { proxy, page } = await setUp(t, browser);
  const memory = await watchMemory(page);
  await startClient(page, proxy.url);
  await untilSettled(proxy);
  const [stream] = proxy.streams.values();
  const send = async (/** @type {number} */ from, /** @type {number} */ to) => {
    for (let n = from; n < to; n += 1) {
      const evaluations = [{ flag: "theme", identifier: `v${n}`, value: `theme ${n}`, kind: "string" }];
      stream.write(Buffer.from(`event: *\ndata: ${JSON.stringify({ event: "patch", domain: "flag", identifier: "theme", version: n, environment: "development", evaluations })}\n\n`));
    }
    await untilServed(page, "theme", `theme ${to - 1}`);
    // What the test's own page has written down is none of the client's.
    await page.evaluate(() => {
      const { main } = /** @type {any} */ (window).clients;
      main.events.length = 0;
      main.changes.length = 0;
      main.client.flush();
    });
  };
  await send(0, 1_000);
  const before = await memory();
  await send(1_000, 3_000);
  const after = await memory();
  assert.deepEqual(after.wasm, before.wasm);
  assert.ok(after.heap - before.heap < SLACK, `the heap grew by ${after.heap - before.heap} bytes`);
});

test("200 lives of a client do not make the page grow", async (t) => {
  const { proxy, page } = await setUp(t, browser);
  const memory = await watchMemory(page);
  await page.waitForFunction(() => "start" in window);
  const live = (/** @type {number} */ times) =>
    page.evaluate(
      async ({ times, baseUrl }) => {
        const { initialize } = /** @type {any} */ (window).flagwire;
        for (let n = 0; n < times; n += 1) {
          const client = initialize("flagwire-dev-client-key", { identifier: "ada" }, { baseUrl });
          await client.ready();
          client.variation("theme", "");
          client.close();
        }
      },
      { times, baseUrl: proxy.url },
    );
  await live(50);
  const before = await memory();
  await live(200);
  const after = await memory();
  assert.deepEqual(after.wasm, before.wasm);
  assert.ok(after.heap - before.heap < SLACK, `the heap grew by ${after.heap - before.heap} bytes`);
  await proxy.until(() => proxy.streams.size === 0);
});

/**
 * Starts the page again and watches every WebAssembly memory; what it returns measures after a garbage collection.
 *
 * @param {import("playwright-core").Page} page
 */
async function watchMemory(page) {
  await page.addInitScript(() => {
    const memories = /** @type {WebAssembly.Memory[]} */ ([]);
    Object.assign(window, { memories });
    const { instantiate } = WebAssembly;
    WebAssembly.instantiate = /** @type {any} */ (
      async (/** @type {BufferSource} */ source, /** @type {WebAssembly.Imports} */ imports) => {
        const made = await instantiate(source, imports);
        for (const value of Object.values(made.instance.exports)) if (value instanceof WebAssembly.Memory) memories.push(value);
        return made;
      }
    );
  });
  await page.reload();
  const session = await page.context().newCDPSession(page);
  return async () => {
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    const wasm = await page.evaluate(() => /** @type {any} */ (window).memories.map((/** @type {WebAssembly.Memory} */ memory) => memory.buffer.byteLength));
    assert.equal(wasm.length, 1, "the module's memory was not found");
    // Memory begins with the stack.
    assert.ok(await page.evaluate(untouched, STACK_BYTES / 2), "less than half of the module's stack is left");
    return { heap: usedSize, wasm };
  };
}

/** Whether the first `bytes` of memory are as they were at the beginning. @param {number} bytes */
function untouched(bytes) {
  const [memory] = /** @type {any} */ (window).memories;
  return new Uint8Array(memory.buffer, 0, bytes).every((byte) => byte === 0);
}
