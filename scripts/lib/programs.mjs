// Programs that only the tests need: a Chromium with its driver, a Redis server, and nginx with what talks to it.

import { join } from "node:path";
import * as apt from "./apt.mjs";
import { ask, isProgram, Plain, which } from "./run.mjs";
import { quietStep } from "./steps.mjs";

/** @param {(string | undefined)[]} candidates names in `PATH` or full paths */
function first(candidates) {
  for (const one of candidates) {
    if (!one) continue;
    const path = one.includes("/") || one.includes("\\") ? (isProgram(one) ? one : undefined) : which(one);
    if (path) return path;
  }
  return undefined;
}

function findBrowser() {
  return first([
    process.env.CHROME_PATH,
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    join(process.env.PROGRAMFILES ?? "", "Google/Chrome/Application/chrome.exe"),
  ]);
}

function driverInPath() {
  return first([process.env.CHROMEDRIVER, "chromedriver", "/usr/lib/chromium/chromedriver", "/usr/lib/chromium-browser/chromedriver"]);
}

/**
 * A Chromium (or Chrome), and its chromedriver unless `driver` is false: only wasm-bindgen's test runner uses that.
 *
 * @param {{ step?: import("./steps.mjs").Step, driver?: boolean }} [options]
 * @returns {Promise<{ browser: string, driver: string }>} full paths; without the driver `driver` is empty
 */
export async function chromium({ step = quietStep("Chromium"), driver: withDriver = true } = {}) {
  const findDriver = () => (withDriver ? driverInPath() : "");
  const missing = () => [...(findBrowser() ? [] : ["chromium"]), ...(findDriver() === undefined ? ["chromium-driver"] : [])];
  if (missing().length > 0 && apt.mayInstall() && (await apt.offers(missing(), step))) await apt.install(missing(), step);
  const [browser, driver] = [findBrowser(), findDriver()];
  if (!browser || driver === undefined) {
    const what = [...(browser ? [] : ["Chromium (or Chrome)"]), ...(driver === undefined ? ["its chromedriver"] : [])].join(" and ");
    throw new Plain(
      `The browser tests need ${what}. On Debian: apt-get install chromium chromium-driver; on macOS: brew install --cask chromium chromedriver. ` +
        "Installed elsewhere, set CHROME_PATH and CHROMEDRIVER to their paths.",
    );
  }
  const [ours, theirs] = [browser, driver].map((program) => (program ? /(\d+)\.\d+/.exec(ask(program, ["--version"]) ?? "")?.[1] : undefined));
  if (ours && theirs && ours !== theirs) {
    throw new Plain(
      `${browser} is version ${ours} but ${driver} is for version ${theirs}: install both from one place, or set CHROME_PATH and CHROMEDRIVER.`,
    );
  }
  step.done(`${browser}${ours ? ` ${ours}` : ""}`);
  return { browser, driver };
}

/**
 * Firefox, and WebKit with what drives it, for the tests that run in three engines.
 *
 * @param {{ step?: import("./steps.mjs").Step }} [options]
 * @returns {Promise<{ firefox: string, webkit: string }>} full paths of Firefox and of WebKit's small browser
 */
export async function otherEngines({ step = quietStep("Firefox and WebKit") } = {}) {
  const find = () => ({
    firefox: first([process.env.FIREFOX_PATH, "firefox-esr", "firefox", "/Applications/Firefox.app/Contents/MacOS/firefox"]),
    webkit: first([process.env.MINIBROWSER_PATH, ...["x86_64", "aarch64"].flatMap((machine) => ["4.1", "4.0"].map((version) => `/usr/lib/${machine}-linux-gnu/webkit2gtk-${version}/MiniBrowser`))]),
    rest: first(["WebKitWebDriver"]) && first(["Xvfb"]) && first(["dbus-run-session"]),
  });
  const { firefox, webkit, rest } = find();
  const missing = [...(firefox ? [] : ["firefox-esr"]), ...(webkit && rest ? [] : ["webkit2gtk-driver", "xvfb", "xauth", "dbus"])];
  if (missing.length > 0 && apt.mayInstall() && (await apt.offers(missing, step))) {
    step.say("Firefox is 88 MB to download, WebKit 62 MB");
    await apt.install(missing, step);
  }
  const found = find();
  if (!found.firefox || !found.webkit || !found.rest) {
    throw new Plain(
      "The tests in three engines need Firefox and WebKitGTK with its driver. On Debian: apt-get install firefox-esr webkit2gtk-driver xvfb xauth dbus. " +
        "Installed elsewhere, set FIREFOX_PATH and MINIBROWSER_PATH to their paths.",
    );
  }
  step.done(`${found.firefox}, ${found.webkit}`);
  return { firefox: found.firefox, webkit: found.webkit };
}

/**
 * A Redis server, for the tests of replicas that share through one; `undefined` where there is none: those tests then skip.
 *
 * @param {{ step?: import("./steps.mjs").Step }} [options]
 * @returns {Promise<string | undefined>}
 */
export async function redisServer({ step = quietStep("Redis") } = {}) {
  const find = () => first([process.env.REDIS_SERVER, "redis-server", "valkey-server"]);
  if (!find() && apt.mayInstall() && (await apt.offers(["redis-server"], step))) await apt.install(["redis-server"], step);
  const path = find();
  step.done(path ?? "none; the tests that need it are skipped");
  return path;
}

/**
 * nginx, curl, and openssl, which makes a certificate, for the tests of streams through a proxy. What there is not is
 * `undefined`: those tests then skip.
 *
 * @param {{ step?: import("./steps.mjs").Step }} [options]
 * @returns {Promise<Record<"nginx" | "curl" | "openssl", string | undefined>>}
 */
export async function proxyPrograms({ step = quietStep("nginx") } = {}) {
  const find = () => ({
    // Not everybody has /usr/sbin in PATH.
    nginx: first([process.env.NGINX, "nginx", "/usr/sbin/nginx"]),
    curl: first(["curl"]),
    openssl: first(["openssl"]),
  });
  const { nginx, curl, openssl } = find();
  const missing = [...(nginx ? [] : ["nginx-light"]), ...(curl ? [] : ["curl"]), ...(openssl ? [] : ["openssl"])];
  if (missing.length > 0 && apt.mayInstall() && (await apt.offers(missing, step))) await apt.install(missing, step);
  const found = find();
  const none = Object.entries(found).flatMap(([name, path]) => (path ? [] : [name]));
  step.done(none.length > 0 ? `no ${none.join(", no ")}; the tests that need it are skipped` : `${found.nginx}`);
  return found;
}
