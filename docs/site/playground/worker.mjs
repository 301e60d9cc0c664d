// Runs the machine in a worker of the page, whose clock and network it replaces: the page keeps its own.

import { initialize } from "flagwire";
import wasmUrl from "../../../pkg/flagwire.wasm?url";
import { decodeActs, encodeActs, Machine } from "./machine.mjs";

const { port1, port2 } = new MessageChannel();
/** @type {(() => void)[]} */
const turns = [];
port1.onmessage = () => turns.shift()?.();
// Node's, which the world lets promises go on with.
/** @type {any} */ (globalThis).setImmediate = (/** @type {() => void} */ run) => {
  turns.push(run);
  port2.postMessage(0);
};

const wasm = WebAssembly.compileStreaming(fetch(wasmUrl)).catch(async () => WebAssembly.compile(await (await fetch(wasmUrl)).arrayBuffer()));
/** @type {Machine | undefined} */
let machine;
/** One thing after the other: an act must not fall into a step of the clock. */
let last = Promise.resolve();

addEventListener("message", ({ data }) => {
  last = last.then(() => perform(data)).catch((error) => postMessage({ error: String(error) }));
});

/** @param {{ start?: number, acts?: string, act?: string, with?: string, advance?: number }} order */
async function perform(order) {
  if (order.start !== undefined) {
    machine = new Machine(initialize, order.start, { wasm: await wasm });
    await machine.start({ after() {} });
    await machine.replay(decodeActs(order.acts ?? ""));
  }
  if (!machine) return;
  if (order.act) await machine.act(order.act, order.with);
  if (order.advance) await machine.advance(order.advance);
  const { acts, ...snapshot } = machine.snapshot();
  postMessage({ ...snapshot, acts: encodeActs(acts) });
}
