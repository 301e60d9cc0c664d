// A page in Firefox without one power of the platform after the other.

import { after, describe } from "node:test";
import { startEngine } from "../lib/engines.mjs";
import { testPowers } from "./powers.mjs";

const engine = await startEngine({ after }, "firefox");

// Most of it is waiting.
describe("a page goes on", { concurrency: 6 }, () => testPowers(engine));
