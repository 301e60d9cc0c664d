// A storm of a fixed seed; three in `npm test -- all`. `npm run chaos` runs others, for as long as is wanted.

import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { everything } from "../lib/everything.mjs";
import { storm } from "./world.mjs";

const browser = await startBrowser({ after });

for (const seed of everything ? [1, 2, 3] : [1]) {
  test(`after storm ${seed} every client holds what the server serves, was told each difference once, and has lost no read`, async (t) => {
    const result = await storm(t, browser, { seed, stormMs: 20_000 });
    t.diagnostic(`well after ${result.healedMs} ms; ${result.requests} requests, ${result.changes} changes told, ${result.reads} reads made, ${result.counted} counted`);
  });
}
