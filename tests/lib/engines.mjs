// Pages in three engines behind one small interface: Chromium by Playwright, Firefox by Puppeteer (WebDriver BiDi), WebKitGTK's MiniBrowser by
// WebKitWebDriver, in a display of its own.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { otherEngines } from "../../scripts/setup.mjs";
import { startBrowser, startProfile } from "./browser.mjs";
import { atEnd, tempDir } from "./scope.mjs";
import { until } from "./wait.mjs";
import { startWebKit, Unanswered } from "./webkit.mjs";

/**
 * @typedef {{ type: string, text: string }} Message a line of the console: its type is `error`, `warning` or another, and `uncaught` for an error that
 *   no script has caught
 *
 * @typedef {object} EnginePage
 * @property {(url: string) => Promise<void>} goto
 * @property {(url: string) => Promise<void>} back goes back in the history, to where the page has this URL
 * @property {<A, R>(run: (argument: A) => R | Promise<R>, argument?: A) => Promise<Awaited<R>>} evaluate runs a function in the page; what it takes
 *   and returns is JSON
 * @property {<A>(what: string, look: (argument: A) => unknown, argument?: A) => Promise<void>} until waits until the function is true in the page
 * @property {() => Promise<Message[]>} messages what the console has said since the page was opened; in WebKit what it has said since it was loaded, in
 *   pages of `serveClientPage`, without the engine's own messages
 * @property {(url: string) => Promise<EnginePage>} another opens another tab with the same storage
 * @property {(width: number, height: number) => Promise<void>} resize sets the size of what the page sees of its window, in CSS pixels
 * @property {() => Promise<Buffer>} screenshot a PNG
 * @property {() => Promise<void>} close
 *
 * @typedef {"chromium" | "firefox" | "webkit"} EngineName
 *
 * @typedef {object} Engine
 * @property {EngineName} name
 * @property {(t: import("./scope.mjs").Scope, url: string) => Promise<EnginePage>} open opens a page, with storage of its own except in WebKit and
 *   where site data is blocked, where all pages of an engine share it; it ends with the test
 *
 * @typedef {object} EngineOptions
 * @property {"all" | "third-party" | "nothing"} [blocked] whose cookies and other site data the user has blocked; the engine's own choice by default
 * @property {"light" | "dark"} [scheme] the colour scheme that the user prefers
 */

/** @type {Record<EngineName, (t: import("./scope.mjs").Scope, options?: EngineOptions) => Promise<Engine>>} */
const STARTS = { chromium: chromiumEngine, firefox: firefoxEngine, webkit: webkitEngine };

/**
 * Starts an engine. One that fails to start, as happens on a busy machine, is started once more, and the reason is printed.
 *
 * @param {import("./scope.mjs").Scope} t ends it with the test
 * @param {EngineName} name
 * @param {EngineOptions} [options]
 * @returns {Promise<Engine>}
 */
export async function startEngine(t, name, options) {
  try {
    return await STARTS[name](t, options);
  } catch (error) {
    console.log(`${name} failed to start, and is started once more: ${error instanceof Error ? error.message : error}`);
    return STARTS[name](t, options);
  }
}

/**
 * Starts all three.
 *
 * @param {import("./scope.mjs").Scope} t
 * @param {EngineOptions} [options]
 */
export function startEngines(t, options) {
  return Promise.all(/** @type {EngineName[]} */ (Object.keys(STARTS)).map((name) => startEngine(t, name, options)));
}

/**
 * Adds what is the same for all engines.
 *
 * @param {Omit<EnginePage, "until" | "back">} page
 * @returns {EnginePage}
 */
function complete(page) {
  return {
    ...page,
    until: async (what, look, argument) => {
      const ask = () => page.evaluate(/** @type {any} */ (look), argument);
      await until(what, () =>
        ask().catch((error) => {
          if (!(error instanceof Unanswered)) throw error;
          console.log(`${error.message}; asked again`);
        }));
    },
    back: async (url) => {
      await page.evaluate(() => void setTimeout(() => history.back()));
      // While the page changes there may be nobody to ask.
      await until(`the page to be ${url} again`, () => page.evaluate(() => location.href).then((href) => href === url, () => false));
    },
  };
}

/** @param {import("./scope.mjs").Scope} t @param {EngineOptions} [options] @returns {Promise<Engine>} */
async function chromiumEngine(t, { blocked, scheme = "light" } = {}) {
  // Playwright switches the back/forward cache off.
  const settings = { args: ["--enable-features=BackForwardCache"], ignoreDefaultArgs: ["--disable-back-forward-cache"] };
  /** @param {import("playwright-core").BrowserContext} context @param {string} url @returns {Promise<EnginePage>} */
  const openIn = async (context, url) => {
    const page = await context.newPage();
    /** @type {Message[]} */
    const messages = [];
    page.on("console", (message) => messages.push({ type: message.type(), text: message.text() }));
    page.on("pageerror", (error) => messages.push({ type: "uncaught", text: error.stack ?? error.message }));
    await page.goto(url);
    return complete({
      goto: async (url) => void (await page.goto(url)),
      evaluate: /** @type {any} */ ((/** @type {any} */ run, /** @type {any} */ argument) => page.evaluate(run, argument)),
      messages: async () => messages,
      another: (url) => openIn(context, url),
      resize: (width, height) => page.setViewportSize({ width, height }),
      screenshot: () => page.screenshot(),
      close: () => page.close(),
    });
  };
  if (blocked) {
    const profile = tempDir(t);
    mkdirSync(join(profile, "Default"));
    const preferences = blocked === "all" ? { default_content_setting_values: { cookies: 2 } } : { cookie_controls_mode: blocked === "nothing" ? 0 : 1, block_third_party_cookies: blocked !== "nothing" };
    writeFileSync(join(profile, "Default", "Preferences"), JSON.stringify({ profile: preferences }));
    const context = await startProfile(t, profile, settings);
    return { name: "chromium", open: (_, url) => openIn(context, url) };
  }
  const browser = await startBrowser(t, settings);
  return {
    name: "chromium",
    open: async (t, url) => {
      const context = await browser.newContext({ colorScheme: scheme });
      atEnd(t, () => context.close());
      return openIn(context, url);
    },
  };
}

/** @param {import("./scope.mjs").Scope} t @param {EngineOptions} [options] @returns {Promise<Engine>} */
async function firefoxEngine(t, { blocked, scheme = "light" } = {}) {
  const { default: puppeteer } = await import("puppeteer-core");
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: (await otherEngines()).firefox,
    headless: true,
    defaultViewport: null,
    extraPrefsFirefox: {
      "layout.css.prefers-color-scheme.content-override": scheme === "dark" ? 0 : 1,
      ...(blocked && { "network.cookie.cookieBehavior": { nothing: 0, "third-party": 1, all: 2 }[blocked] }),
    },
  });
  // A test file that fails while it is loaded has no end.
  process.once("exit", () => browser.process()?.kill());
  atEnd(t, () => browser.close());
  /** @param {import("puppeteer-core").BrowserContext} context @param {string} url @returns {Promise<EnginePage>} */
  const openIn = async (context, url) => {
    const page = await context.newPage();
    /** @type {Message[]} */
    const messages = [];
    page.on("console", (message) => messages.push({ type: message.type() === "warn" ? "warning" : message.type(), text: message.text() }));
    // Firefox also calls it an error of the page when CORS or a policy refuses a request.
    page.on("pageerror", (error) => messages.push({ type: /Cross-Origin Request Blocked|Content-Security-Policy/.test(String(error)) ? "error" : "uncaught", text: String(error) }));
    await page.goto(url);
    return complete({
      goto: async (url) => void (await page.goto(url)),
      evaluate: /** @type {any} */ ((/** @type {any} */ run, /** @type {any} */ argument) => page.evaluate(run, argument)),
      messages: async () => messages,
      another: (url) => openIn(context, url),
      resize: (width, height) => page.setViewport({ width, height }),
      screenshot: async () => Buffer.from(await page.screenshot()),
      close: () => page.close(),
    });
  };
  return {
    name: "firefox",
    open: async (t, url) => {
      const context = await browser.createBrowserContext();
      atEnd(t, () => context.close());
      return openIn(context, url);
    },
  };
}

/** @param {import("./scope.mjs").Scope} t @param {EngineOptions} [options] @returns {Promise<Engine>} */
async function webkitEngine(t, { blocked, scheme } = {}) {
  const webkit = await startWebKit(t, [
    // Third parties' cookies are blocked anyway.
    ...(blocked === "all" ? ["--cookies-policy=never", "--enable-html5-local-storage=false"] : []),
    ...(scheme === "dark" ? ["--dark-mode"] : []),
  ]);
  /** @param {import("./scope.mjs").Scope} t @param {string} url @returns {Promise<EnginePage>} */
  const open = async (t, url) => {
    const page = complete({ ...(await webkit.newTab()), another: (url) => open(t, url) });
    atEnd(t, () => page.close().catch(() => undefined));
    await page.goto(url);
    return page;
  };
  return { name: "webkit", open };
}
