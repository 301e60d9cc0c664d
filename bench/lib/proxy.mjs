// A TCP proxy that delays what passes, or holds it back: a network, as far as this suite needs one.

import { connect, createServer } from "node:net";
import { atEnd } from "../../tests/lib/scope.mjs";

/**
 * @param {import("../../tests/lib/scope.mjs").Scope} scope ends it with all its connections
 * @param {string} url of the server behind
 * @param {{ delayMs?: number }} [options] how long each byte travels one way; half of what a round trip takes longer. Opening a
 *   connection takes one round trip more, too, as it does on a network.
 */
export async function startProxy(scope, url, { delayMs = 0 } = {}) {
  const { hostname, port } = new URL(url);
  const sockets = new Set(/** @type {import("node:net").Socket[]} */ ([]));
  /** @type {(() => void)[] | undefined} */
  let held;

  /** @param {import("node:net").Socket} from @param {import("node:net").Socket} to @param {boolean} down @param {number} opensAt */
  const pass = (from, to, down, opensAt) => {
    // In a queue of its own for each direction, so that nothing overtakes.
    const queue = /** @type {{ at: number, action: () => void }[]} */ ([]);
    const deliver = () => {
      while (queue.length > 0 && queue[0].at <= performance.now()) {
        const action = queue.shift()?.action ?? (() => {});
        if (down && held) held.push(action);
        else action();
      }
      if (queue.length > 0) setTimeout(deliver, queue[0].at - performance.now());
    };
    const later = (/** @type {() => void} */ action) => {
      queue.push({ at: Math.max(performance.now(), opensAt) + delayMs, action });
      if (delayMs === 0) deliver();
      else if (queue.length === 1) setTimeout(deliver, queue[0].at - performance.now());
    };
    from.on("data", (bytes) => later(() => to.destroyed || to.write(bytes)));
    from.on("end", () => later(() => to.destroyed || to.end()));
    from.on("error", () => to.destroy());
    from.on("close", () => sockets.delete(from));
  };

  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: hostname, port: Number(port), noDelay: true });
    for (const socket of [client, upstream]) sockets.add(socket);
    // The browser's own handshake is with this proxy and takes no time; the round trip it would take is added to its first bytes.
    pass(client, upstream, false, delayMs > 0 ? performance.now() + 2 * delayMs : 0);
    pass(upstream, client, true, 0);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  atEnd(scope, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    /** From now on nothing reaches the clients, until `release` delivers all of it at once. */
    hold() {
      held ??= [];
    },
    release() {
      const waiting = held ?? [];
      held = undefined;
      for (const action of waiting) action();
    },
  };
}
