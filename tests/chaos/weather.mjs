// Decides what each request suffers. Weather changes: calm spells let clients get somewhere, storms throw them back.

const SPELLS = /** @type {const} */ (["calm", "slow", "errors", "cuts", "garbage", "silence", "all"]);

export class Weather {
  /** Off once the storm is over. */
  on = true;
  spell = /** @type {(typeof SPELLS)[number]} */ ("calm");
  #random;

  /** @param {import("./random.mjs").Random} random */
  constructor(random) {
    this.#random = random;
  }

  turn() {
    this.spell = this.#random.pick(SPELLS);
    return this.spell;
  }

  /**
   * @param {import("../lib/proxy.mjs").Seen} request
   * @returns {import("../lib/proxy.mjs").Fault}
   */
  decide(request) {
    const random = this.#random;
    if (!this.on) return {};
    /** @param {(typeof SPELLS)[number]} spell @param {number} probability */
    const is = (spell, probability) => random.chance(this.spell === spell || this.spell === "all" ? probability : 0.02);
    /** @type {import("../lib/proxy.mjs").Fault} */
    const fault = {};
    if (random.chance(0.1)) fault.split = true;
    if (is("slow", 0.5)) fault.delayMs = random.between(1, 800);
    if (is("slow", 0.4) && !request.stream) fault.hold = new Promise((resolve) => setTimeout(resolve, random.between(1, 1_500)));
    if (is("errors", 0.4)) return { ...fault, answer: answer(random, request) };
    if (is("cuts", 0.25)) return { ...fault, refuse: "reset" };
    if (is("silence", 0.2)) return { ...fault, refuse: "hang" };
    if (is("cuts", 0.3)) {
      if (request.stream) fault.cutAfterMs = random.between(0, 2_000);
      else fault.cutAfter = random.between(0, 200);
    }
    if (is("silence", 0.4) && request.stream) fault.silentAfterMs = random.between(0, 2_000);
    if (is("garbage", 0.5)) fault.corrupt = (body) => (this.on ? spoiled(random, body, request.stream ? 0.5 : 1) : body);
    return fault;
  }
}

/**
 * An answer that passes. A refused sign-in would be final, as it must: nobody should ask for ever with a wrong key.
 *
 * @param {import("./random.mjs").Random} random
 * @param {import("../lib/proxy.mjs").Seen} request
 */
function answer(random, request) {
  const status = random.pick(request.path.endsWith("/client/auth") ? [429, 500, 503] : [401, 429, 500, 503]);
  /** @type {Record<string, string>} */
  const headers = status === 429 || (status === 503 && random.chance(0.5)) ? { "retry-after": String(random.between(0, 5)) } : {};
  return { status, headers, body: random.chance(0.5) ? '{"code":"x","message":"weather"}' : "<html>out of order</html>" };
}

/**
 * A body whose JSON is broken: one that still reads as JSON, with another value in it, nobody could tell from a true one.
 *
 * @param {import("./random.mjs").Random} random
 * @param {Buffer} body JSON, or an event with JSON in it
 * @param {number} probability
 */
function spoiled(random, body, probability) {
  const data = body.indexOf("data:");
  const start = data < 0 ? 0 : data + "data:".length;
  // Of an event its data alone: with the lines after it nothing would be JSON.
  const end = data < 0 ? body.length : body.indexOf("\n", start);
  // Heartbeats have nothing to spoil.
  if (end - start < 4 || !random.chance(probability) || body.includes("event: heartbeat")) return body;
  for (;;) {
    const copy = Buffer.from(body);
    for (let n = random.between(1, 4); n > 0; n -= 1) {
      // No line ends: an event cut in two would be two events.
      copy[random.between(start, end - 1)] = random.pick([0x20, 0x22, 0x7b, 0x5d, 0x2c, 0x41, 0x5c, 0xff]);
    }
    try {
      JSON.parse(copy.subarray(start, end).toString());
    } catch {
      return copy;
    }
  }
}
