// The wire: sends requests, and reads replies and streams. The core decides what to request, when, and what a reply
// means; `crates/npm-client/src/host.rs` is the counterpart. Names that end in `_` are used only between the two, and the build shortens them.

import type { Saved } from "./cache";
import { Ask, ChangeCode, ErrorKind, Input, SignIn } from "./border";
import type { Hear } from "./core";
import { attempt, bytesOf, decode, encode } from "./guard";
import { hash } from "./hash";
import type { Endpoints } from "./options";
import type { APIRequestMiddleware, Evaluation } from "./types";
import { eventReader } from "./sse";
import { evaluationsIn, some, sorted, type Values } from "./values";

declare const VERSION: string;
declare const DEVELOPMENT: boolean;

/** A `Harness-Target` header of at least this many characters is left out, as in the published clients. */
const MAX_TARGET_HEADER = 262_144;

/** The number of a sign-in that was sent before the core asked for it. The core's numbers begin at 1. */
const EARLY = -1;

const HEARTBEAT = "heartbeat";
/** The data of a heartbeat, which only shows that the connection is alive. */
const ALIVE = encode("{}");
const CHANGE_KINDS = ["create", "patch", "delete"];
const DOMAINS = ["flag", "target-segment"];
const SIGN_IN_PATH = "/client/auth";
const JSON_TYPE = { "Content-Type": "application/json" };
const SDK = { "Harness-SDK-Info": `Flagwire ${VERSION} Client` };

type Prepared = [url: string, init: RequestInit];

/** The data of an event on the stream. */
interface ChangeEvent {
  code_: ChangeCode;
  identifier_?: string;
  /** The new evaluations, if the event has any and all of them are complete. */
  carried_?: Evaluation[] | undefined;
}

export class Wire {
  middleware_: APIRequestMiddleware | undefined;
  /** The error of the last request or stream that got no answer. */
  thrown_: unknown;
  /** The server's message in its last reply. */
  words_: string | undefined;
  /** Is called if a page has signed in with a server key. The production build never calls it. */
  onServerKey_?: () => void;
  readonly #apiKey: string;
  readonly #endpoints: Endpoints;
  readonly #values: Values;
  readonly #hear: Hear;
  /** The functions that abort requests and streams under way; undefined if the browser cannot abort them. */
  readonly #underWay = new Map<number, { abort: () => void } | undefined>();
  /** Counts core instances: after a trap there is a new one, whose request numbers begin again. */
  #life = 0;
  /** The body and the reply of the sign-in that was sent before the core asked for it. */
  #early: [body?: RequestInit["body"], reply?: Promise<Response>] = [];
  /** The results of the last sign-in: the headers and URLs of later requests, and the URL for a native stream. */
  #headers: Record<string, string> = {};
  #environment = "";
  #cluster = "";
  #streamUrl = "";

  constructor(apiKey: string, endpoints: Endpoints, values: Values, hear: Hear) {
    this.#apiKey = apiKey;
    this.#endpoints = endpoints;
    this.#values = values;
    this.#hear = hear;
  }

  /** Returns the base URL of the requests that an `ErrorKind` stands for. */
  address_(kind: number): string {
    return kind === ErrorKind.METRICS ? this.#endpoints.events_ : this.#endpoints.base_;
  }

  /** Returns the name of the group of tabs that share a stream. It is a hash, so that a list of locks shows no key and no target. */
  group_(): string | undefined {
    const target = this.#targetHeader();
    return target ? "flagwire-1-" + hash(this.#endpoints.base_, this.#apiKey, target) : undefined;
  }

  request_(ask: Ask, text?: string): Prepared | string {
    const { base_: base } = this.#endpoints;
    if (ask === Ask.SIGN_IN) {
      const body = JSON.stringify({ apiKey: this.#apiKey, target: this.#values.target_ });
      return [base + SIGN_IN_PATH, { method: "POST", headers: this.#endpoints.plain_ ? {} : { ...SDK, ...JSON_TYPE }, body }];
    }
    if (ask === Ask.NATIVE_STREAM) return /^http/.test(this.#streamUrl) ? this.#streamUrl : base + "/" + this.#streamUrl.replace(/^\/+/, "");
    const headers = this.#allHeaders();
    let url = base + "/stream";
    if (ask === Ask.STREAM) Object.assign(headers, { "API-Key": this.#apiKey, Accept: "text/event-stream", "Cache-Control": "no-cache" });
    else {
      url = `${base}/client/env/${this.#environment}/target/${encodeURIComponent(this.#values.target_.identifier)}/evaluations`;
      // A lone surrogate in a name cannot be encoded; UTF-8 replaces it with U+FFFD.
      if (ask === Ask.FLAG) url += "/" + encodeURIComponent(decode(encode(text!)));
      // Browsers add the second header by themselves; it keeps happy-dom from using its own cache.
      else if (text) Object.assign(headers, { "If-None-Match": text, "Cache-Control": "no-cache" });
    }
    // A list that was damaged on the way, stored in the browser's cache with its `ETag`, would be confirmed by a 304 each time.
    // Only this request bypasses the cache, because Chromium sends a preflight for each such request to another origin; after
    // a single flag that cannot be read the whole list is fetched.
    return [url + this.#cluster, ask === Ask.ALL ? { headers, cache: "no-store" } : { headers }];
  }

  takeCounts_(): Prepared | undefined {
    const body = this.#values.takeCounts_(VERSION);
    const url = `${this.#endpoints.events_}/metrics/${this.#environment}${this.#cluster}`;
    return body === undefined ? undefined : [url, { method: "POST", headers: { ...this.#allHeaders(), ...JSON_TYPE }, body }];
  }

  /** Sends the first sign-in while the core is still loading. */
  signInEarly_(): void {
    const request = this.request_(Ask.SIGN_IN) as Prepared;
    const reply = this.#fetch(EARLY, request);
    reply.catch(() => {}); // the core handles the failure when it asks
    this.#early = [request[1].body, reply];
  }

  /** Sends a request and reports its reply. A detached request cannot be aborted. */
  async send_(id: number, request: Prepared, keepalive: boolean, detached: boolean): Promise<void> {
    const life = this.#life;
    let reply: Parameters<Hear> = [Input.FAILURE, undefined, id];
    let words: string | undefined;
    const plain = this.#endpoints.plain_ && request[0].endsWith(SIGN_IN_PATH);
    if (plain) this.#endpoints.plain_ = false;
    try {
      let response = await this.#fetch(id, request, keepalive, detached);
      // A server of another kind may want JSON. The core takes a refusal as final, so it is asked here, unless this was ended. A server
      // that is busy (429, 5xx) is left to the core, which waits.
      if (plain && !(this.#endpoints.plain_ = response.ok) && response.status < 429 && this.#underWay.has(id)) response = await this.#fetch(id, this.request_(Ask.SIGN_IN) as Prepared);
      const { status, headers } = response;
      const etag = headers.get("etag");
      // The core decides by the status what a body without JSON means.
      const body: unknown = await response.json().catch(() => {});
      // Frameworks reply with lists and objects too.
      const said = (body as { message?: unknown } | undefined)?.message;
      words = typeof said === "string" ? said : said ? JSON.stringify(said) : undefined;
      reply = [Input.REPLY, body, id, status, retryAfter(headers), etag];
    } catch (error) {
      // There is no reply, or `fetch` resolved to something that is not a response, because a script has replaced the browser's `fetch`.
      this.thrown_ = error;
    }
    if (life !== this.#life) return;
    this.end_(id);
    this.words_ = words;
    this.#hear(...reply);
  }

  /** Opens a stream and reports its events. A native stream uses the browser's `EventSource`. */
  async open_(id: number, request: Prepared | string, native: boolean): Promise<void> {
    const life = this.#life;
    const hear: Hear = (...heard) => life === this.#life && this.#hear(...heard);
    let thrown: unknown;
    try {
      if (native) return this.#listen(id, request as string);
      const response = await this.#fetch(id, request as Prepared);
      const { status, headers } = response;
      this.words_ = undefined;
      const isStream = /^text\/event-stream/i.test(headers.get("content-type")!);
      hear(isStream ? Input.OPENED : Input.ANSWERED, undefined, id, status, retryAfter(headers));
      const reader = response.body!.getReader();
      // This ends the reading where the request cannot be aborted: there is no signal, or it has no effect.
      const before = this.#underWay.get(id);
      const abort = () => {
        attempt(() => reader.cancel().catch(() => {}));
        before?.abort();
      };
      if (life !== this.#life || !this.#underWay.has(id)) return abort();
      this.#underWay.set(id, { abort });
      const read = eventReader(
        (kind, data) => kind !== HEARTBEAT && hear(Input.EVENT, encode(data), id),
        (delayMs) => hear(Input.RETRY, undefined, id, delayMs),
      );
      // Any data shows that the connection is alive, comments too.
      for (let part; !(part = await reader.read()).done; read(part.value)) hear(Input.HEARTBEAT, ALIVE, id);
    } catch (error) {
      thrown = error;
    }
    this.thrown_ = thrown;
    hear(Input.ENDED, undefined, id);
  }

  #listen(id: number, url: string): void {
    const source = new EventSource(url);
    this.#underWay.set(id, { abort: () => source.close() });
    source.addEventListener("*", ({ data }) => this.#hear(Input.EVENT, encode(data as string), id));
    source.addEventListener(HEARTBEAT, ({ data }) => this.#hear(Input.HEARTBEAT, encode(data as string), id));
    // This also ends streams that the browser would reopen by itself, because the core decides when to try again.
    source.onerror = () => {
      this.thrown_ = undefined;
      this.#hear(Input.ENDED, undefined, id);
    };
  }

  async #fetch(id: number, [url, init]: Prepared, keepalive?: boolean, detached?: boolean): Promise<Response> {
    const [body, reply] = this.#early;
    this.#early = [];
    if (reply) {
      // The core's first request is the sign-in, but for a different target if that was switched meanwhile.
      if (body === init.body) {
        this.#underWay.set(id, this.#underWay.get(EARLY));
        return reply;
      }
      this.end_(EARLY);
    }
    if (!detached) {
      const abort = attempt(() => {
        const one = new AbortController();
        // Test environments combine their own controller with Node's `fetch`, which refuses its signals.
        new Request(url, one);
        return one;
      });
      this.#underWay.set(id, abort);
      init.signal = abort?.signal;
    }
    init.keepalive = keepalive;
    return fetch(...(this.middleware_?.([url, init]) ?? ([url, init] as const)));
  }

  /** Forgets a request or a stream, and aborts it if it is still under way. */
  end_(id: number): void {
    attempt(() => this.#underWay.get(id)?.abort());
    this.#underWay.delete(id);
  }

  /** Aborts everything, because the client was closed. */
  endAll_(): void {
    this.#life++;
    for (const id of this.#underWay.keys()) this.end_(id);
  }

  signIn_(reply: { authToken?: unknown; streamUrl?: unknown } | null): number {
    try {
      const token = String(reply!.authToken);
      const payload = atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"));
      const claims = JSON.parse(decode(Uint8Array.from(payload, (character) => character.charCodeAt(0)))) as Record<string, unknown>;
      if (DEVELOPMENT && claims["key_type"] === "Server" && typeof document === "object") this.onServerKey_?.();
      const text = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : "");
      const environment = text(claims["environment"]);
      if (!environment) return SignIn.UNREADABLE;
      this.#environment = environment;
      // Harness is divided into clusters, and every URL after sign-in names the cluster.
      this.#cluster = "?cluster=" + encodeURIComponent(text(claims["clusterIdentifier"]) || "1");
      this.#headers = {
        Authorization: "Bearer " + token,
        ...SDK,
        "Harness-EnvironmentID": text(claims["environmentIdentifier"]),
        "Harness-AccountID": text(claims["accountID"]),
      };
      this.#streamUrl = text(reply!.streamUrl);
      return this.#streamUrl ? SignIn.TOKEN_AND_URL : SignIn.TOKEN;
    } catch {
      return SignIn.UNREADABLE;
    }
  }

  changeEvent_(data: Uint8Array): ChangeEvent {
    try {
      const { event, domain, identifier, evaluations } = JSON.parse(decode(data)) as Record<string, unknown>;
      if (typeof event !== "string" || typeof domain !== "string" || typeof identifier !== "string") return { code_: ChangeCode.MALFORMED };
      const [kind, place] = [CHANGE_KINDS.indexOf(event), DOMAINS.indexOf(domain)];
      if (kind < 0 || place < 0) return { code_: ChangeCode.UNKNOWN };
      const carried = evaluationsIn(evaluations);
      const complete = carried.length === (evaluations as unknown[] | undefined)?.length;
      // URLs resolve `.` and `..`, so these two flags cannot be fetched by name. All flags are fetched instead, as for a target group.
      return { code_: (place || /^\.\.?$/.test(identifier) ? ChangeCode.CREATE_GROUP : ChangeCode.CREATE_FLAG) + kind, identifier_: identifier, carried_: complete ? some(carried) : undefined };
    } catch {
      return { code_: ChangeCode.MALFORMED };
    }
  }

  evaluations_(reply: unknown, single: boolean): Evaluation[] | undefined {
    if (single) return some(evaluationsIn([reply]));
    return Array.isArray(reply) ? sorted(evaluationsIn(reply)) : undefined;
  }

  save_(): Saved {
    return [this.#values.target_, this.#values.list_()];
  }

  /** The headers of a request. Harness allows no other names: its CORS preflight would fail. */
  #allHeaders(): Record<string, string> {
    const all = { ...this.#headers, "Harness-Target": this.#targetHeader() };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
  }

  /** Returns the target's JSON as base64 of its UTF-8, or nothing if that is too long for a header. */
  #targetHeader(): string {
    const header = btoa(bytesOf(JSON.stringify(this.#values.target_)));
    return header.length < MAX_TARGET_HEADER ? header : "";
  }
}

/** Returns the delay that `Retry-After` asks for in milliseconds, from seconds or a date; NaN if it is neither. */
function retryAfter(headers: Headers): number {
  const header = headers.get("retry-after") || "none";
  const seconds = Number(header);
  return seconds === seconds ? seconds * 1000 : Date.parse(header) - Date.now();
}
