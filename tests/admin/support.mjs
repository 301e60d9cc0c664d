// What the tests of this folder share.

import { openPage } from "../lib/browser.mjs";
import { CLIENT_KEY } from "../lib/server.mjs";
import { atEnd } from "../lib/scope.mjs";

export const FLAGS = `# The shop
flags:
  dark-mode: false   # for the night
  theme:             # looks
    description: The look of the shop
    variations: { classic: classic, ocean: ocean, sunset: sunset }
    default: { classic: 60, ocean: 30, sunset: 10 }
    off: classic
    targets: { ocean: [user-7, maya] }
    rules:
      - name: Staff first
        when: { group: staff }
        serve: sunset
      - when: { plan: [gold, platinum], country: DE }
        serve: ocean
  free-shipping:
    default: false
    rules: [{ when: { plan: gold }, serve: true }]
  new-checkout:
    default: { true: 30, false: 70 }
    off: false
    requires: { free-shipping: true }
groups:
  staff: { include: [ada], rules: [{ email: { ends-with: "@example.com" } }] }
`;

/**
 * The server's page, once it shows its flags.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 */
export async function openAdmin(t, browser, url) {
  const page = await openPage(t, browser, url);
  await page.locator(".flag").first().waitFor();
  return page;
}

/**
 * The row of a flag.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} flag
 */
export const row = (page, flag) => page.locator(".flag").filter({ has: page.getByRole("button", { name: flag, exact: true }) });

/**
 * Opens a stream as a client does, until the function that comes back is called.
 *
 * @param {import("../lib/scope.mjs").Scope} t
 * @param {string} url
 * @param {string} identifier
 */
export async function connect(t, url, identifier) {
  const body = JSON.stringify({ apiKey: CLIENT_KEY, target: { identifier } });
  const reply = await fetch(`${url}/client/auth`, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { authToken } = /** @type {{ authToken: string }} */ (await reply.json());
  const controller = new AbortController();
  const stream = await fetch(`${url}/stream`, { headers: { authorization: `Bearer ${authToken}`, "api-key": CLIENT_KEY }, signal: controller.signal });
  await stream.body?.getReader().read();
  const end = () => controller.abort();
  atEnd(t, end);
  return { end, authToken };
}

/**
 * Brings each view to where there is something to see.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} view
 */
export async function visit(page, view) {
  await page.locator(`nav a[href="#${view}"]`).click();
  if (view === "flags") {
    await openAll(page, ".flag");
    await page.getByRole("button", { name: "Add override" }).first().click();
  } else if (view === "why") {
    await page.locator("#why-identifier").fill("x".repeat(60));
    await page.locator("#why-flag").fill("");
    await page.getByRole("button", { name: "Explain" }).click();
    await page.locator(".result").first().waitFor();
    await openAll(page, ".result");
    await page.locator(".result").last().locator(".step-line").first().waitFor();
  } else if (view === "changes") {
    await page.locator(".change:visible").first().waitFor();
  } else {
    await page.locator(view === "streams" ? "#streams tbody tr" : ".event").first().waitFor();
  }
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} what
 */
async function openAll(page, what) {
  const closed = page.locator(`${what} .open[aria-expanded="false"]`);
  while ((await closed.count()) > 0) await closed.first().click();
}

/**
 * By how much the page is wider than the window.
 *
 * @param {import("playwright-core").Page} page
 */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

/**
 * What on the page has too little contrast: texts below 4.5 to 1 (3 to 1 if large), edges of fields below 3 to 1.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<string[]>}
 */
export function lowContrast(page) {
  return page.evaluate(() => {
    /** @typedef {[number, number, number, number]} Colour */
    const parse = (/** @type {string} */ text) => {
      const [r = 0, g = 0, b = 0, a = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
      return /** @type {Colour} */ ([r, g, b, a]);
    };
    const over = (/** @type {Colour} */ top, /** @type {Colour} */ below) => /** @type {Colour} */ ([0, 1, 2].map((at) => (top[at] ?? 0) * top[3] + (below[at] ?? 0) * (1 - top[3])).concat(1));
    const luminance = (/** @type {Colour} */ colour) => {
      const [r = 0, g = 0, b = 0] = colour.slice(0, 3).map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (/** @type {Colour} */ a, /** @type {Colour} */ b) => {
      const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
      return (light + 0.05) / (dark + 0.05);
    };
    /** What is behind an element; from it on upwards, until something is opaque. */
    const ground = (/** @type {Element | null} */ element) => {
      /** @type {Colour[]} */
      const layers = [];
      for (let at = element; at; at = at.parentElement) {
        const colour = parse(getComputedStyle(at).backgroundColor);
        if (colour[3] > 0) layers.push(colour);
        if (colour[3] === 1) break;
      }
      return layers.reverse().reduce((below, layer) => over(layer, below), /** @type {Colour} */ ([255, 255, 255, 1]));
    };
    /** @type {Set<string>} */
    const found = new Set();
    let looked = 0;
    for (const element of document.querySelectorAll("body *")) {
      if (!(element instanceof HTMLElement) || !element.checkVisibility() || element.closest(".sr-only, .skip, .toast:not(.shown), :disabled")) continue;
      const style = getComputedStyle(element);
      const name = `${element.tagName.toLowerCase()}.${element.className}`;
      const field = ["INPUT", "SELECT", "TEXTAREA"].includes(element.tagName);
      const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim());
      if (own || field) {
        looked += 1;
        const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
        const behind = ground(element);
        let opacity = 1;
        for (let at = /** @type {Element | null} */ (element); at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
        const colour = parse(style.color);
        const contrast = ratio(over([colour[0], colour[1], colour[2], colour[3] * opacity], behind), behind);
        if (contrast < (large ? 3 : 4.5)) found.add(`${name} “${element.textContent?.trim().slice(0, 30)}”: ${contrast.toFixed(2)}`);
      }
      if (field && style.borderTopWidth !== "0px") {
        const contrast = ratio(parse(style.borderTopColor), ground(element.parentElement));
        if (contrast < 3) found.add(`the edge of ${name}: ${contrast.toFixed(2)}`);
      }
      if (element.matches(".track, .swatch, .dot")) {
        const contrast = ratio(parse(style.backgroundColor), ground(element.parentElement));
        if (contrast < 3) found.add(`${name}: ${contrast.toFixed(2)}`);
      }
    }
    if (looked < 12) found.add(`only ${looked} texts were looked at`);
    return [...found];
  });
}
