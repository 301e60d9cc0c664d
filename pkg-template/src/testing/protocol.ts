// The server's side of the protocol on a plain map, for pages under test: what is asked for, and what changes. Who uses it owns the
// transport: a server of Node, the routes of Playwright, the handlers of MSW.

import type { FlagDefault, FlagName } from "../flags";
import type { Evaluation, Target } from "../types";
import { testEvaluation, unknownFlag, type TestFlags } from "./flags";

/** What is answered to a request. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. It is missing where the answer is a stream, which gets what {@link PageFlags.listen} reports. */
  readonly body?: string;
}

/** Pages of any origin may ask. */
export const CORS = { "access-control-allow-origin": "*", "access-control-allow-methods": "*", "access-control-allow-headers": "*", "access-control-max-age": "600" };
/** What is sent first on a stream, and while nothing changes, so that the client knows that the connection is alive. */
export const HEARTBEAT = ": \n\n";
export const HEARTBEAT_MS = 10_000;

const ENVIRONMENT = "00000000-0000-4000-8000-000000000000";

/** Flags that open pages follow. */
export class PageFlags {
  readonly #evaluations = new Map<string, Evaluation>();
  readonly #known = new Set<string>();
  readonly #listeners = new Set<(events: string) => void>();
  readonly #targets: Target[] = [];
  #version = 1;

  constructor(flags: object) {
    for (const [flag, value] of Object.entries(flags)) this.#store(flag, value);
  }

  /** The targets that pages have signed in with, in their order. */
  get targets(): readonly Target[] {
    return this.#targets;
  }

  /**
   * Changes a flag, or several at once; open pages are notified by their streams. A flag that is `undefined` is removed.
   *
   * @throws FlagwireError where the flag is not among those that the test began with, or the value cannot be a flag's
   */
  set<N extends FlagName>(flag: N, value: FlagDefault<N>): void;
  set(flags: TestFlags): void;
  set(flag: string | TestFlags, value?: unknown): void {
    const flags = Object.entries((typeof flag === "string" ? { [flag]: value } : flag) as Record<string, unknown>);
    for (const [name, value] of flags) {
      if (!this.#known.has(name)) throw unknownFlag(name, this.#known);
      if (value !== undefined) testEvaluation(name, value);
    }
    const events = flags.map(([name, value]) => this.#store(name, value));
    for (const listener of [...this.#listeners]) listener(events.join(""));
  }

  /** Removes a flag; open pages return their default for it. */
  remove(flag: FlagName): void {
    this.set(flag, undefined as never);
  }

  /** Calls `listener` with the text of events, as streams send it. Returns a function that ends this. */
  listen(listener: (events: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Answers a request. Nothing is returned where it is none of the protocol. */
  answer(method: string, url: string, body: string): Reply | undefined {
    const path = new URL(url, "http://127.0.0.1").pathname;
    if (method === "OPTIONS") return { status: 204, headers: CORS, body: "" };
    if (method === "POST" && path.endsWith("/client/auth")) return this.#signIn(body);
    if (method === "POST" && /\/metrics\/[^/]+$/.test(path)) return json(200, {});
    if (method === "GET" && path.endsWith("/stream")) return { status: 200, headers: { ...CORS, "content-type": "text/event-stream", "cache-control": "no-cache" } };
    const [, flag] = (method === "GET" && /\/client\/env\/[^/]+\/target\/[^/]+\/evaluations(?:\/([^/]+))?$/.exec(path)) || [""];
    if (flag === "") return undefined;
    if (flag === undefined) return json(200, [...this.#evaluations.values()]);
    const evaluation = this.#evaluations.get(decodeURIComponent(flag));
    return evaluation ? json(200, evaluation) : json(404, { code: "not-found", message: "there is no such flag" });
  }

  #signIn(body: string): Reply {
    let target: Target | undefined;
    try {
      ({ target } = JSON.parse(body) as { target?: Target });
    } catch {
      return json(400, { code: "bad-request", message: "the body is no JSON" });
    }
    if (target) this.#targets.push(target);
    // Nobody checks the signature, as it is the server's own.
    const token = [{ alg: "none" }, { environment: ENVIRONMENT, environmentIdentifier: "test", clusterIdentifier: "1" }].map((part) => btoa(JSON.stringify(part)).replace(/=+$/, ""));
    return json(200, { authToken: [...token, "test"].join(".") });
  }

  /** Returns the event that says so. */
  #store(flag: string, value: unknown): string {
    const event = value === undefined ? "delete" : this.#evaluations.has(flag) ? "patch" : "create";
    this.#known.add(flag);
    if (value === undefined) this.#evaluations.delete(flag);
    else this.#evaluations.set(flag, testEvaluation(flag, value));
    const evaluation = this.#evaluations.get(flag);
    return `event: *\ndata: ${JSON.stringify({ event, domain: "flag", identifier: flag, version: ++this.#version, ...(evaluation && { evaluations: [evaluation] }) })}\n\n`;
  }
}

function json(status: number, body: unknown): Reply {
  return { status, headers: { ...CORS, "content-type": "application/json" }, body: JSON.stringify(body) };
}
