// That the admin page and its API work over HTTPS with HTTP/2, where the host of a request stands in `:authority`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { startBrowser } from "../lib/browser.mjs";
import { tempDir } from "../lib/scope.mjs";
import { startServer } from "../lib/server.mjs";
import { FLAGS, openAdmin } from "./support.mjs";

// A certificate that stands for itself.
const browser = await startBrowser({ after }, { args: ["--ignore-certificate-errors"] });

test("the page shows and changes flags over HTTP/2", async (t) => {
  const directory = tempDir(t);
  const [certificate, key] = ["certificate.pem", "key.pem"].map((name) => join(directory, name));
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
  ], { stdio: "pipe" });
  const server = await startServer(t, { flags: FLAGS, args: ["--tls-certificate", certificate, "--tls-key", key] });
  const page = await openAdmin(t, browser, server.url);
  // Each of its requests, the stream of events among them.
  const protocols = await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => /** @type {PerformanceResourceTiming} */ (entry).nextHopProtocol));
  assert.deepEqual([...new Set(protocols.filter((protocol) => protocol !== ""))], ["h2"]);
  await page.getByRole("switch", { name: "dark-mode is on", checked: true }).click();
  await page.getByRole("switch", { name: "dark-mode is on", checked: false }).waitFor();
  assert.match(readFileSync(server.flagsFile, "utf8"), /state: off/);
});
