// Says what is being done and how far it is, a line a step: `[2/6] wasm toolchain: …`.

import { Plain } from "./run.mjs";

const tty = process.stdout.isTTY === true && !process.env.CI;
/** Where lines cannot be rewritten, progress is a line every so often. */
const QUIET_MS = 10_000;

/** A numbered list of steps; each is announced when it has something to say. */
export class Steps {
  #total;
  #done = 0;

  /** @param {number} total how many steps there will be */
  constructor(total) {
    this.#total = total;
  }

  /**
   * Runs one step and prints how it ended.
   *
   * @template T
   * @param {string} title
   * @param {(step: Step) => Promise<T> | T} work
   * @returns {Promise<T>}
   */
  async run(title, work) {
    this.#done += 1;
    const step = new Step(`[${this.#done}/${this.#total}] ${title}: `);
    try {
      const result = await work(step);
      step.end();
      return result;
    } catch (error) {
      step.end("failed");
      throw error;
    }
  }
}

/** One step: `say` prints a line, `progress` a passing one, `done` sets the closing words. */
export class Step {
  #prefix;
  #started = Date.now();
  #lastProgress = Date.now();
  #passing = false;
  #closing = "ready";

  /** @param {string} prefix */
  constructor(prefix) {
    this.#prefix = prefix;
  }

  /** @param {string} text what starts now and may take a while, e.g. `installing chromium` */
  say(text) {
    this.#line(text);
  }

  /** @param {string} text how far it is; printed in place on a terminal, else now and then */
  progress(text) {
    if (tty) {
      process.stdout.write(`\r\x1b[2K${(this.#prefix + text).slice(0, (process.stdout.columns ?? 80) - 1)}`);
      this.#passing = true;
    } else if (Date.now() - this.#lastProgress >= QUIET_MS) {
      this.#line(text);
    }
  }

  /** @param {string} text what the step found or made, for its closing line */
  done(text) {
    this.#closing = text;
  }

  /** @param {string} [text] */
  end(text = this.#closing) {
    const seconds = Math.round((Date.now() - this.#started) / 1000);
    this.#line(seconds > 1 ? `${text} (${seconds} s)` : text);
  }

  /** @param {string} text */
  #line(text) {
    if (this.#passing) process.stdout.write("\r\x1b[2K");
    this.#passing = false;
    this.#lastProgress = Date.now();
    console.log(this.#prefix + text);
  }
}

/** A step that is not part of a list, for scripts that need one thing only: silent unless something is installed. */
export function quietStep(/** @type {string} */ title) {
  const step = new Step(`${title}: `);
  step.end = () => {};
  return step;
}

/**
 * Runs a script's `main`; a mistake that the reader can mend is printed as its sentence, anything else with its stack.
 *
 * @param {() => Promise<void>} main
 */
export function script(main) {
  main().catch((error) => {
    console.error(error instanceof Plain ? `\n${error.message}` : error);
    process.exitCode = 1;
  });
}
