// Headless Chromium through Playwright, with the browser that is installed.

import { chromium as playwright } from "playwright-core";
import { chromium } from "../../scripts/setup.mjs";
import { atEnd, tempDir } from "./scope.mjs";
import { PATIENCE_MS } from "./wait.mjs";

/** No sandbox: CI runs as root. No traffic of the browser's own. */
export const ARGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/**
 * @param {import("./scope.mjs").Scope} t ends the browser with the test
 * @param {{ args?: string[], ignoreDefaultArgs?: string[] }} [options] what Chromium gets besides, and what of Playwright's it does not get
 * @returns {Promise<import("playwright-core").Browser>}
 */
export async function startBrowser(t, { args = [], ignoreDefaultArgs = [] } = {}) {
  const { browser: executablePath } = await chromium({ driver: false });
  const browser = await twice(() => playwright.launch({ executablePath, args: [...ARGS, ...args], ignoreDefaultArgs }));
  atEnd(t, () => browser.close());
  const newContext = browser.newContext.bind(browser);
  browser.newContext = async (options) => patient(await newContext(options));
  return browser;
}

/**
 * Starts a browser with a profile that is there already, such as one whose user has changed the settings.
 *
 * @param {import("./scope.mjs").Scope} t ends the browser with the test
 * @param {string} profile the profile's folder
 * @param {{ args?: string[], ignoreDefaultArgs?: string[] }} [options] as for `startBrowser`
 * @returns {Promise<import("playwright-core").BrowserContext>}
 */
export async function startProfile(t, profile, { args = [], ignoreDefaultArgs = [] } = {}) {
  const { browser: executablePath } = await chromium({ driver: false });
  const context = patient(await twice(() => playwright.launchPersistentContext(profile, { executablePath, args: [...ARGS, ...args], ignoreDefaultArgs })));
  atEnd(t, () => context.close());
  return context;
}

/**
 * A browser that does not start on a crowded machine says nothing about what is tested. It is tried once more, and the reason is printed.
 *
 * @template T
 * @param {() => Promise<T>} start
 * @returns {Promise<T>}
 */
async function twice(start) {
  try {
    return await start();
  } catch (error) {
    console.log(`Chromium did not start and is started once more: ${error instanceof Error ? error.message : error}`);
    return start();
  }
}

/**
 * Playwright gives up after 30 s, which a page may need on a crowded machine.
 *
 * @param {import("playwright-core").BrowserContext} context
 */
function patient(context) {
  context.setDefaultTimeout(PATIENCE_MS);
  context.setDefaultNavigationTimeout(PATIENCE_MS);
  return context;
}

/**
 * A browser of its own with an unpacked extension in it.
 *
 * @param {import("./scope.mjs").Scope} t ends the browser with the test
 * @param {string} folder the extension's
 * @returns {Promise<import("playwright-core").Worker>} the extension's service worker
 */
export async function startExtension(t, folder) {
  const context = await startProfile(t, tempDir(t), {
    args: [`--disable-extensions-except=${folder}`, `--load-extension=${folder}`, "--disable-features=DisableLoadExtensionCommandLineSwitch"],
    ignoreDefaultArgs: ["--disable-extensions"],
  });
  return context.serviceWorkers()[0] ?? context.waitForEvent("serviceworker");
}

/**
 * Opens a page in a context of its own (its own storage), and fails the test where the page reports an error.
 *
 * @param {import("./scope.mjs").Scope} t
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @returns {Promise<import("playwright-core").Page>}
 */
export async function openPage(t, browser, url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  /** @type {string[]} */
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.stack ?? error.message));
  atEnd(t, async () => {
    await context.close();
    if (errors.length > 0) throw new Error(`the page reported:\n${errors.join("\n")}`);
  });
  await page.goto(url);
  return page;
}
