// The package in Cloudflare's runtime, workerd, built as its tools build, and in Deno.

import assert from "node:assert/strict";
import { copyFileSync, cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { build } from "esbuild";
import { packageDir } from "../../scripts/lib/products.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { startService } from "../../scripts/lib/services.mjs";
import { packagePlugin } from "../lib/bundle.mjs";
import { serveFiles } from "../lib/files.mjs";
import { atEnd, tempDir } from "../lib/scope.mjs";
import { CLIENT_KEY, startServer } from "../lib/server.mjs";

const installed = join(import.meta.dirname, "node_modules");
const FLAGS = 'flags:\n  theme:\n    variations: { classic: "</script><!--", ocean: ocean }\n    default: classic\n';

/** Reads the flag, streams, and sees it change. `say` is called with what happens. */
const USE = `
function use(baseUrl, say) {
  const client = initialize("${CLIENT_KEY}", { identifier: "user-42" }, { baseUrl });
  client.on(Event.ERROR, ({ message, cause }) => say("error: " + message + " " + cause));
  client.on(Event.CONNECTED, () => say("connected"));
  client.on(Event.STOPPED, () => say("stopped"));
  client.onFlag("theme", (value) => {
    say(value);
    if (value === "ocean") client.close();
  });
}`;

/** What `use` said, whichever came first of the stream and the values. @param {string[]} lines */
function assertLive(lines) {
  assert.deepEqual([lines.slice(0, 2).sort(), lines.slice(2)], [["</script><!--", "connected"], ["ocean", "stopped"]]);
}
/** @param {string} text */
const toOcean = (text) => text.replace("default: classic", "default: ocean");

const WORKER = `
import { initialize, Event } from "flagwire";
import { dehydrate, fetchEvaluations } from "flagwire/server";
${USE}
export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const baseUrl = searchParams.get("server");
    if (pathname === "/page") {
      const flags = await fetchEvaluations("${CLIENT_KEY}", { identifier: "user-42" }, { baseUrl });
      return new Response("<script>window.flags = " + dehydrate(flags) + "</script>");
    }
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    use(baseUrl, (text) => {
      writer.write(new TextEncoder().encode(text + "\\n"));
      if (text === "stopped") writer.close();
    });
    return new Response(readable);
  },
};
`;

describe("in workerd", () => {
  /** The worker, built by its tools' rules: their conditions, and modules of WebAssembly left to be deployed as such. @param {import("../lib/scope.mjs").Scope} t */
  async function start(t) {
    const folder = tempDir(t);
    await build({
      stdin: { contents: WORKER, resolveDir: folder },
      outfile: join(folder, "worker.js"),
      bundle: true,
      format: "esm",
      conditions: ["workerd", "worker", "browser"],
      external: ["*.wasm?module"],
      logLevel: "warning",
      plugins: [packagePlugin()],
    });
    copyFileSync(join(packageDir, "flagwire.wasm"), join(folder, "flagwire.wasm"));
    writeFileSync(
      join(folder, "config.capnp"),
      `using Workerd = import "/workerd/workerd.capnp";
      const config :Workerd.Config = (
        services = [
          (name = "main", worker = (
            modules = [(name = "worker.js", esModule = embed "worker.js"), (name = "flagwire.wasm?module", wasm = embed "flagwire.wasm")],
            compatibilityDate = "2026-10-01",
          )),
          (name = "internet", network = (allow = ["private"])),
        ],
        sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
      );`,
    );
    const service = await startService("workerd", join(installed, "workerd/bin/workerd"), ["serve", "--control-fd=1", "config.capnp"], { ready: /"port"/, cwd: folder });
    atEnd(t, () => service.stop());
    return `http://127.0.0.1:${JSON.parse(service.readyLine).port}`;
  }

  test("gives a page its flags, request after request and several at once", async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const worker = await start(t);
    const page = async () => (await fetch(`${worker}/page?server=${server.url}`)).text();
    const expected = '<script>window.flags = [{"flag":"theme","identifier":"classic","value":"\\u003c/script\\u003e\\u003c!--","kind":"string"}]</script>';
    assert.equal(await page(), expected);
    assert.deepEqual(await Promise.all([page(), page(), page()]), [expected, expected, expected]);
  });

  test("streams within a request", async (t) => {
    const server = await startServer(t, { flags: FLAGS });
    const { body } = await fetch(`${await start(t)}/stream?server=${server.url}`);
    /** @type {string[]} */
    const lines = [];
    for await (const text of /** @type {any} */ (body).pipeThrough(new TextDecoderStream())) {
      lines.push(...text.trim().split("\n"));
      if (lines.length === 2) server.editFlags(toOcean);
    }
    assertLive(lines);
  });
});

describe("in Deno", () => {
  /** @param {import("../lib/scope.mjs").Scope} t @param {string} specifier @param {(folder: string) => void} prepare */
  async function assertWorks(t, specifier, prepare) {
    const server = await startServer(t, { flags: FLAGS });
    const folder = tempDir(t);
    prepare(folder);
    writeFileSync(join(folder, "main.mjs"), `import { initialize, Event } from "${specifier}";${USE}\nuse(Deno.args[0], (text) => console.log(text));`);
    const program = [join(installed, "deno/bin.cjs"), "run", "--quiet", "--no-prompt", "--no-lock", "--allow-read", "--allow-net", "--allow-import", "--node-modules-dir=manual", "main.mjs", server.url];
    /** @type {string[]} */
    const lines = [];
    const env = { ...process.env, DENO_DIR: join(folder, "cache"), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
    const { code, output } = await run(process.execPath, program, {
      cwd: folder,
      env,
      onLine: (line) => {
        if (lines.push(line) === 2) server.editFlags(toOcean);
      },
    });
    assert.equal(code, 0, output);
    assertLive(lines);
  }

  test("installed", (t) =>
    assertWorks(t, "flagwire", (folder) => {
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      cpSync(packageDir, join(folder, "node_modules/flagwire"), { recursive: true });
    }));

  test("by its address", async (t) => assertWorks(t, `${await serveFiles(t, packageDir)}/index.js`, () => {}));
});
