// `npm start`: builds what is out of date, starts the server and the example, and says where they are.
//
//   npm start -- --port 8080    the server's port (7700 by default; the next free one if it is taken)
//   npm start -- --no-open      do not open a browser

import { spawn } from "node:child_process";
import { relative, join } from "node:path";
import { parseArgs } from "node:util";
import { setUp } from "./setup.mjs";
import { root } from "./lib/paths.mjs";
import { buildPackage, buildServer, exampleDir, installExample } from "./lib/products.mjs";
import { Plain } from "./lib/run.mjs";
import { freePort, startService } from "./lib/services.mjs";
import { script } from "./lib/steps.mjs";

const DEFAULT_PORT = 7700;
const PAGE_PORT = 5173;
/** What the server accepts from a page when nothing else is configured; it says so at its start. */
const CLIENT_KEY = "flagwire-dev-client-key";

/** @type {import("./lib/services.mjs").Service[]} */
const services = [];
/** Set once we are ending: then a service that ends is no news. */
let ending = false;

script(async () => {
  const { port, open } = options();
  const steps = await setUp({ tests: false, further: 5 });
  await steps.run("npm package", buildPackage);
  const binary = await steps.run("server", buildServer);
  await steps.run("example", installExample);
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.once(signal, () => end(0));
  try {
    const serverUrl = await steps.run("starting the server", (step) => startServer(binary, port, step));
    const pageUrl = await steps.run("starting the example", (step) => startExample(serverUrl, step));
    for (const service of services) service.exited.then((code) => crashed(service, code));
    console.log(box(pageUrl, serverUrl));
    if (open) openBrowser(pageUrl);
  } catch (error) {
    await end(1);
    throw error;
  }
});

function options() {
  try {
    const { values } = parseArgs({
      options: { port: { type: "string", default: String(DEFAULT_PORT) }, "no-open": { type: "boolean", default: false } },
    });
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new TypeError(`--port takes a number from 1 to 65535, not ${values.port}`);
    return { port, open: !values["no-open"] && process.stdout.isTTY === true && !process.env.CI };
  } catch (error) {
    throw new Plain(`${error instanceof Error ? error.message : error}\nUsage: npm start -- [--port 7700] [--no-open]`);
  }
}

/**
 * @param {string} binary
 * @param {number} wanted
 * @param {import("./lib/steps.mjs").Step} step
 */
async function startServer(binary, wanted, step) {
  const port = await freePort(wanted);
  if (port !== wanted) step.say(`port ${wanted} is taken, using ${port}`);
  // Streams last for ever: without a bound Ctrl-C would wait for the shop's page to let go of its own.
  const args = ["--flags", join(root, "flags.yaml"), "--listen", `127.0.0.1:${port}`, "--drain-seconds", "0"];
  const service = await startService("The server", binary, args, {
    ready: /listening on http/,
    cwd: root,
    onLine: (line) => console.log(`server │ ${line}`),
  });
  services.push(service);
  const url = /http:\/\/[^\s"]+/.exec(service.readyLine)?.[0].replace(/\/$/, "") ?? `http://127.0.0.1:${port}`;
  step.done(url);
  return url;
}

/**
 * @param {string} serverUrl
 * @param {import("./lib/steps.mjs").Step} step
 */
async function startExample(serverUrl, step) {
  const port = await freePort(PAGE_PORT);
  const vite = join(exampleDir, "node_modules", "vite", "bin", "vite.js");
  const service = await startService("Vite", process.execPath, [vite, "--host", "127.0.0.1", "--port", String(port), "--strictPort"], {
    ready: /Local: +http/,
    cwd: exampleDir,
    env: { ...process.env, VITE_FLAGWIRE_URL: serverUrl, VITE_FLAGWIRE_KEY: CLIENT_KEY },
  });
  services.push(service);
  const url = /http:\/\/\S+/.exec(service.readyLine)?.[0] ?? `http://127.0.0.1:${port}/`;
  step.done(url);
  return url;
}

/**
 * @param {import("./lib/services.mjs").Service} service
 * @param {number | null} code
 */
async function crashed(service, code) {
  if (ending) return;
  console.error(`\n${service.name} ended by itself (${code === null ? "a signal" : `code ${code}`}); stopping the rest.`);
  await end(1);
}

/** @param {number} code */
async function end(code) {
  if (ending) return;
  ending = true;
  await Promise.all(services.map((service) => service.stop()));
  process.exitCode = code;
}

/**
 * @param {string} pageUrl
 * @param {string} serverUrl
 */
function box(pageUrl, serverUrl) {
  const flags = relative(process.cwd(), join(root, "flags.yaml")) || "flags.yaml";
  const lines = [
    `The shop     ${pageUrl}`,
    `The flags    ${serverUrl}/`,
    "",
    `Edit ${flags} and save, or flip a switch on the flags' page:`,
    "the shop changes at once, without a reload. Ctrl-C ends both.",
  ];
  const width = Math.max(...lines.map((line) => line.length));
  const rule = "─".repeat(width + 4);
  return `\n┌${rule}┐\n${lines.map((line) => `│  ${line.padEnd(width)}  │`).join("\n")}\n└${rule}┘\n`;
}

/** @param {string} url */
function openBrowser(url) {
  const program = { darwin: "open", win32: "explorer" }[/** @type {string} */ (process.platform)] ?? "xdg-open";
  const child = spawn(program, [url], { stdio: "ignore", detached: true });
  // No browser to open: the address is on the screen.
  child.on("error", () => {});
  child.unref();
}
