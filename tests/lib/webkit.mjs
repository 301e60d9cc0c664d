// WebKitGTK's MiniBrowser by W3C WebDriver, in a display of its own.

import { spawn } from "node:child_process";
import { otherEngines } from "../../scripts/setup.mjs";
import { freePort } from "../../scripts/lib/services.mjs";
import { atEnd } from "./scope.mjs";
import { PATIENCE_MS, until } from "./wait.mjs";

/**
 * How long the driver may take for a script. It answers some never: one that came to a page which was going into the back/forward cache, or
 * coming out of it. Whoever waits for something asks again.
 */
const SCRIPT_MS = PATIENCE_MS / 3;

/** The driver has not answered a command. It takes others. */
export class Unanswered extends Error {}

/**
 * Starts the browser.
 *
 * @param {import("./scope.mjs").Scope} t ends it with the test
 * @param {string[]} args further options of MiniBrowser
 */
export async function startWebKit(t, args) {
  const { webkit: binary } = await otherEngines();
  const port = await freePort(20_000 + Math.floor(Math.random() * 20_000));
  const driver = spawn("dbus-run-session", ["--", "xvfb-run", "-a", "-s", "-screen 0 1600x1400x24", "WebKitWebDriver", `--port=${port}`], { stdio: "ignore", detached: true });
  const end = () => {
    try {
      // The group: a shell, a display, the driver and its browser.
      if (driver.pid) process.kill(-driver.pid, "SIGKILL");
    } catch {
      // it has ended
    }
  };
  // A test file that fails while it is loaded has no end.
  process.once("exit", end);
  atEnd(t, end);

  const base = `http://127.0.0.1:${port}`;
  /** @param {string} method @param {string} path @param {unknown} [body] */
  const ask = async (method, path, body) => {
    const limitMs = path.endsWith("/execute/async") ? SCRIPT_MS : PATIENCE_MS;
    const signal = AbortSignal.timeout(limitMs);
    const content = body !== undefined && { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const reply = fetch(base + path, { method, signal, ...content }).then((response) => response.json());
    const { value } = /** @type {{ value: any }} */ (
      await reply.catch((error) => {
        throw signal.aborted ? new Unanswered(`WebKitWebDriver has not answered ${method} ${path} in ${limitMs / 1000} s`) : error;
      })
    );
    if (value?.error) throw new Error(`${value.error}: ${value.message}`);
    return value;
  };
  await until("WebKitWebDriver", () => fetch(`${base}/status`).then(() => true, () => false));
  const options = { binary, args: ["--automation", ...args] };
  const { sessionId } = await ask("POST", "/session", { capabilities: { alwaysMatch: { "webkitgtk:browserOptions": options } } });
  const session = `/session/${sessionId}`;
  atEnd(t, () => ask("DELETE", session).catch(() => undefined));
  // The first window stays: closing the last would end the session.
  const first = await ask("GET", `${session}/window`);

  /** One command at a time: each is for the window that was chosen last. @type {Promise<unknown>} */
  let last = Promise.resolve();
  /** @template R @param {string} window @param {() => Promise<R>} run @returns {Promise<R>} */
  const inWindow = (window, run) => {
    const next = last.then(() => ask("POST", `${session}/window`, { handle: window })).then(run);
    last = next.catch(() => undefined);
    return next;
  };

  /** Opens an empty page, in a window of its own: what is behind another tab is not drawn, and a screenshot of it never comes. */
  const newTab = async () => {
    const { handle } = await inWindow(first, () => ask("POST", `${session}/window/new`, { type: "window" }));
    /** @template A, R @param {(argument: A) => R | Promise<R>} run @param {A} [argument] @returns {Promise<Awaited<R>>} */
    const evaluate = (run, argument) =>
      inWindow(handle, async () => {
        const script = `const done = arguments[arguments.length - 1]; Promise.resolve().then(() => (${run})(arguments[0])).then((value) => done({ value }), (error) => done({ error: String(error?.stack ?? error) }));`;
        const { value, error } = await ask("POST", `${session}/execute/async`, { script, args: [argument ?? null] });
        if (error) throw new Error(error);
        return value;
      });
    return {
      goto: (/** @type {string} */ url) => inWindow(handle, () => ask("POST", `${session}/url`, { url })),
      evaluate,
      // The driver has no way to the console; `serveClientPage` records it.
      messages: () => evaluate(() => /** @type {any} */ (window).messages ?? []),
      resize: async (/** @type {number} */ width, /** @type {number} */ height) => {
        await inWindow(handle, () => ask("POST", `${session}/window/rect`, { width, height }));
        // The window has edges and bars.
        const seen = await evaluate(() => [innerWidth, innerHeight]);
        await inWindow(handle, () => ask("POST", `${session}/window/rect`, { width: 2 * width - (seen[0] ?? 0), height: 2 * height - (seen[1] ?? 0) }));
      },
      screenshot: () => inWindow(handle, async () => Buffer.from(await ask("GET", `${session}/screenshot`), "base64")),
      close: () => inWindow(handle, () => ask("DELETE", `${session}/window`)),
    };
  };
  return { newTab };
}
