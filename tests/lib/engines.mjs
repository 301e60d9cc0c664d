// Pages in three engines behind one small interface: Chromium by Playwright, Firefox by Puppeteer (WebDriver BiDi), WebKitGTK's MiniBrowser by
// WebKitWebDriver, in a display of its own.

import { spawn } from "node:child_process";
import { otherEngines } from "../../scripts/setup.mjs";
import { freePort } from "../../scripts/lib/services.mjs";
import { startBrowser } from "./browser.mjs";
import { atEnd } from "./scope.mjs";
import { until } from "./wait.mjs";

/**
 * @typedef {object} EnginePage
 * @property {(url: string) => Promise<void>} goto
 * @property {<A, R>(run: (argument: A) => R | Promise<R>, argument?: A) => Promise<Awaited<R>>} evaluate runs a function in the page; what it takes
 *   and returns is JSON
 * @property {<A>(what: string, look: (argument: A) => unknown, argument?: A) => Promise<void>} until waits until the function is true in the page
 * @property {() => Promise<Buffer>} screenshot a PNG
 * @property {() => Promise<void>} close
 *
 * @typedef {object} Engine
 * @property {"chromium" | "firefox" | "webkit"} name
 * @property {(t: import("./scope.mjs").Scope, url: string) => Promise<EnginePage>} open opens a page, with storage of its own but in WebKit, where
 *   all pages of an engine share it; it ends with the test
 */

/** @param {Omit<EnginePage, "until">} page @returns {EnginePage} */
function waiting(page) {
  return { ...page, until: async (what, look, argument) => void (await until(what, () => page.evaluate(/** @type {any} */ (look), argument))) };
}

/** @param {import("./scope.mjs").Scope} t @returns {Promise<Engine>} */
export async function chromiumEngine(t) {
  const browser = await startBrowser(t);
  return {
    name: "chromium",
    open: async (t, url) => {
      const context = await browser.newContext();
      atEnd(t, () => context.close());
      const page = await context.newPage();
      await page.goto(url);
      return waiting({
        goto: async (url) => void (await page.goto(url)),
        evaluate: /** @type {any} */ ((/** @type {any} */ run, /** @type {any} */ argument) => page.evaluate(run, argument)),
        screenshot: () => page.screenshot(),
        close: () => page.close(),
      });
    },
  };
}

/**
 * @param {import("./scope.mjs").Scope} t
 * @param {{ preferences?: Record<string, unknown> }} [options] `preferences` are Firefox's
 * @returns {Promise<Engine>}
 */
export async function firefoxEngine(t, { preferences = {} } = {}) {
  const { default: puppeteer } = await import("puppeteer-core");
  const browser = await puppeteer.launch({ browser: "firefox", executablePath: (await otherEngines()).firefox, headless: true, extraPrefsFirefox: preferences });
  // A test file that fails while it is loaded has no end.
  process.once("exit", () => browser.process()?.kill());
  atEnd(t, () => browser.close());
  return {
    name: "firefox",
    open: async (t, url) => {
      const context = await browser.createBrowserContext();
      atEnd(t, () => context.close());
      const page = await context.newPage();
      await page.goto(url);
      return waiting({
        goto: async (url) => void (await page.goto(url)),
        evaluate: /** @type {any} */ ((/** @type {any} */ run, /** @type {any} */ argument) => page.evaluate(run, argument)),
        screenshot: async () => Buffer.from(await page.screenshot()),
        close: () => page.close(),
      });
    },
  };
}

/** @param {import("./scope.mjs").Scope} t @returns {Promise<Engine>} */
export async function webkitEngine(t) {
  const { webkit } = await otherEngines();
  const port = await freePort(20_000 + Math.floor(Math.random() * 20_000));
  const driver = spawn("dbus-run-session", ["--", "xvfb-run", "-a", "WebKitWebDriver", `--port=${port}`], { stdio: "ignore", detached: true });
  // The group: a shell, a display, the driver and its browser.
  atEnd(t, () => driver.pid && process.kill(-driver.pid, "SIGKILL"));
  const base = `http://127.0.0.1:${port}`;
  /** @param {string} method @param {string} path @param {unknown} [body] */
  const ask = async (method, path, body) => {
    const response = await fetch(base + path, { method, ...(body !== undefined && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }) });
    const { value } = /** @type {{ value: any }} */ (await response.json());
    if (value?.error) throw new Error(`${value.error}: ${value.message}`);
    return value;
  };
  await until("WebKitWebDriver", () => fetch(`${base}/status`).then(() => true, () => false));
  const { sessionId } = await ask("POST", "/session", { capabilities: { alwaysMatch: { "webkitgtk:browserOptions": { binary: webkit, args: ["--automation"] } } } });
  const session = `/session/${sessionId}`;
  atEnd(t, () => ask("DELETE", session).catch(() => undefined));
  const first = await ask("GET", `${session}/window`);
  /** One command at a time: each is for the window that was chosen last. @type {Promise<unknown>} */
  let last = Promise.resolve();
  /** @template R @param {string} window @param {() => Promise<R>} run @returns {Promise<R>} */
  const inWindow = (window, run) => {
    const next = last.then(() => ask("POST", `${session}/window`, { handle: window })).then(run);
    last = next.catch(() => undefined);
    return next;
  };
  return {
    name: "webkit",
    open: async (t, url) => {
      // The first window stays: closing the last would end the session.
      const { handle } = await inWindow(first, () => ask("POST", `${session}/window/new`, { type: "tab" }));
      await inWindow(handle, () => ask("POST", `${session}/url`, { url }));
      const page = waiting({
        goto: (url) => inWindow(handle, () => ask("POST", `${session}/url`, { url })),
        evaluate: /** @type {any} */ ((/** @type {any} */ run, /** @type {any} */ argument) =>
          inWindow(handle, async () => {
            const script = `const done = arguments[arguments.length - 1]; Promise.resolve().then(() => (${run})(arguments[0])).then((value) => done({ value }), (error) => done({ error: String(error?.stack ?? error) }));`;
            const { value, error } = await ask("POST", `${session}/execute/async`, { script, args: [argument ?? null] });
            if (error) throw new Error(error);
            return value;
          })),
        screenshot: () => inWindow(handle, async () => Buffer.from(await ask("GET", `${session}/screenshot`), "base64")),
        close: () => inWindow(handle, () => ask("DELETE", `${session}/window`)),
      });
      atEnd(t, () => page.close().catch(() => undefined));
      return page;
    },
  };
}

