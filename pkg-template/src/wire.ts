// The wire: requests as they are sent, replies and streams as they are read. The core says what to ask, when, and what a reply
// counts for; `crates/npm-client/src/host.rs` is the other half. Names that end in `_` are used between the two alone, and shortened by the build.

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

/** A `Harness-Target` header of this many characters and more is left out, as the published clients do. */
const MAX_TARGET_HEADER = 262_144;

/** The number of a sign-in that the core has not asked for yet. The numbers that the core gives begin at 1. */
const EARLY = -1;

const HEARTBEAT = "heartbeat";
/** The data of a heartbeat that says nothing but that the connection is there. */
const ALIVE = encode("{}");
const CHANGE_KINDS = ["create", "patch", "delete"];
const DOMAINS = ["flag", "target-segment"];
const JSON_TYPE = { "Content-Type": "application/json" };
const SDK = { "Harness-SDK-Info": `Flagwire ${VERSION} Client` };

type Prepared = [url: string, init: RequestInit];

/** What the data of a stream's event says. */
interface ChangeEvent {
  code_: ChangeCode;
  identifier_?: string;
  /** The new evaluations, where the event has any and all of them are complete. */
  carried_?: Evaluation[] | undefined;
}

export class Wire {
  middleware_: APIRequestMiddleware | undefined;
  /** What was thrown by the last request or stream that got no answer. */
  thrown_: unknown;
  /** What the server said in the last answer, in its own words. */
  words_: string | undefined;
  /** Called where a page has signed in with a server key. The production build never calls it. */
  onServerKey_?: () => void;
  readonly #apiKey: string;
  readonly #endpoints: Endpoints;
  readonly #values: Values;
  readonly #hear: Hear;
  /** What ends each request and stream under way; nothing where the browser does not allow that. */
  readonly #underWay = new Map<number, { abort: () => void } | undefined>();
  /** Counts the cores that ask: one that trapped is followed by another, whose numbers begin again. */
  #life = 0;
  /** The body and the reply of a sign-in that was sent before the core asked for it. */
  #early: [body?: RequestInit["body"], reply?: Promise<Response>] = [];
  /** What the last sign-in gave: headers of all requests after it, where they go, and the URL for a native stream. */
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

  /** Returns the base URL of the requests that an `ErrorKind` names. */
  address_(kind: number): string {
    return kind === ErrorKind.METRICS ? this.#endpoints.events_ : this.#endpoints.base_;
  }

  /** Returns the name of the group of tabs that share a stream. It is a hash: nobody reads a key or a target in a list of locks. */
  group_(): string | undefined {
    const target = this.#targetHeader();
    return target ? "flagwire-1-" + hash(this.#endpoints.base_, this.#apiKey, target) : undefined;
  }

  request_(ask: Ask, text?: string): Prepared | string {
    const { base_: base } = this.#endpoints;
    if (ask === Ask.SIGN_IN) {
      const body = JSON.stringify({ apiKey: this.#apiKey, target: this.#values.target_ });
      return [base + "/client/auth", { method: "POST", headers: { ...SDK, ...JSON_TYPE }, body }];
    }
    if (ask === Ask.NATIVE_STREAM) return /^http/.test(this.#streamUrl) ? this.#streamUrl : base + "/" + this.#streamUrl.replace(/^\/+/, "");
    const headers = this.#allHeaders();
    let url = base + "/stream";
    if (ask === Ask.STREAM) Object.assign(headers, { "API-Key": this.#apiKey, Accept: "text/event-stream", "Cache-Control": "no-cache" });
    else {
      url = `${base}/client/env/${this.#environment}/target/${encodeURIComponent(this.#values.target_.identifier)}/evaluations`;
      // Half a character in a name cannot be encoded. UTF-8 has a sign in its place.
      if (ask === Ask.FLAG) url += "/" + encodeURIComponent(decode(encode(text!)));
      // The second is what browsers add by themselves, and what keeps happy-dom from looking for an answer in a cache of its own.
      else if (text) Object.assign(headers, { "If-None-Match": text, "Cache-Control": "no-cache" });
    }
    // A list that was cut or replaced on the way, kept by the browser's own cache with its `ETag`, would be confirmed by a 304 and
    // served broken again and again. Only here, because Chromium asks for a preflight before each such request to another origin;
    // a single flag that cannot be read is followed by this.
    return [url + this.#cluster, ask === Ask.ALL ? { headers, cache: "no-store" } : { headers }];
  }

  takeCounts_(): Prepared | undefined {
    const body = this.#values.takeCounts_(VERSION);
    const url = `${this.#endpoints.events_}/metrics/${this.#environment}${this.#cluster}`;
    return body === undefined ? undefined : [url, { method: "POST", headers: { ...this.#allHeaders(), ...JSON_TYPE }, body }];
  }

  /** Sends the first sign-in, while the core that will ask for it is still on its way. */
  signInEarly_(): void {
    const request = this.request_(Ask.SIGN_IN) as Prepared;
    const reply = this.#fetch(EARLY, request, false, false);
    reply.catch(() => {}); // the core's to hear of
    this.#early = [request[1].body, reply];
  }

  /** Sends a request, and reports its reply. A detached one cannot be ended. */
  async send_(id: number, request: Prepared, keepalive: boolean, detached: boolean): Promise<void> {
    const life = this.#life;
    let reply: Parameters<Hear> = [Input.FAILURE, undefined, id];
    let words: string | undefined;
    try {
      const response = await this.#fetch(id, request, keepalive, detached);
      const { status, headers } = response;
      const etag = headers.get("etag");
      // A body that is no JSON is the core's to judge by its status.
      const body: unknown = await response.json().catch(() => {});
      // Frameworks answer with lists and objects, too.
      const said = (body as { message?: unknown } | undefined)?.message;
      words = typeof said === "string" ? said : said ? JSON.stringify(said) : undefined;
      reply = [Input.REPLY, body, id, status, retryAfter(headers), etag];
    } catch (error) {
      // No reply, or what `fetch` resolves to is no response: any script may have put its own in place of the browser's.
      this.thrown_ = error;
    }
    if (life !== this.#life) return;
    this.end_(id);
    this.words_ = words;
    this.#hear(...reply);
  }

  /** Opens a stream, and reports what comes of it. A native one is the browser's own `EventSource`. */
  async open_(id: number, request: Prepared | string, native: boolean): Promise<void> {
    const life = this.#life;
    const hear: Hear = (...heard) => life === this.#life && this.#hear(...heard);
    let thrown: unknown;
    try {
      if (native) return this.#listen(id, request as string);
      const response = await this.#fetch(id, request as Prepared, false, false);
      const { status, headers } = response;
      this.words_ = undefined;
      const isStream = /^text\/event-stream/i.test(headers.get("content-type")!);
      hear(isStream ? Input.OPENED : Input.ANSWERED, undefined, id, status, retryAfter(headers));
      const reader = response.body!.getReader();
      // Where the request cannot be ended, as it has no signal or that does nothing.
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
      // Whatever comes is a sign of life, comments too.
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
    // Also one that the browser would recover from by itself: the core decides when to try again.
    source.onerror = () => {
      this.thrown_ = undefined;
      this.#hear(Input.ENDED, undefined, id);
    };
  }

  async #fetch(id: number, [url, init]: Prepared, keepalive: boolean, detached: boolean): Promise<Response> {
    const [body, reply] = this.#early;
    this.#early = [];
    if (reply) {
      // The core's first request is the sign-in; of another target where that was switched meanwhile.
      if (body === init.body) {
        this.#underWay.set(id, this.#underWay.get(EARLY));
        return reply;
      }
      this.end_(EARLY);
    }
    if (!detached) {
      const abort = attempt(() => {
        const one = new AbortController();
        // Test environments mix a controller of their own with Node's `fetch`, which refuses its signals.
        new Request(url, one);
        return one;
      });
      this.#underWay.set(id, abort);
      init.signal = abort?.signal;
    }
    init.keepalive = keepalive;
    return fetch(...(this.middleware_?.([url, init]) ?? ([url, init] as const)));
  }

  /** Drops a request or a stream; one that is still under way is ended. */
  end_(id: number): void {
    attempt(() => this.#underWay.get(id)?.abort());
    this.#underWay.delete(id);
  }

  /** Ends everything, because nobody waits for anything any more. */
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
      // Harness shards by cluster: every URL after sign-in names it.
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
      // No address can name these two: URLs are resolved. Like a change of a target group, they make all flags be fetched.
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

  /** Against Harness no other names may be sent: its CORS preflight would fail. */
  #allHeaders(): Record<string, string> {
    const all = { ...this.#headers, "Harness-Target": this.#targetHeader() };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
  }

  /** Returns base64 of the UTF-8 of the target's JSON, or nothing where that is too long for a header. */
  #targetHeader(): string {
    const header = btoa(bytesOf(JSON.stringify(this.#values.target_)));
    return header.length < MAX_TARGET_HEADER ? header : "";
  }
}

/** Returns the milliseconds from now that `Retry-After` asks for, in seconds or by a date; NaN where it is neither. */
function retryAfter(headers: Headers): number {
  const header = headers.get("retry-after") || "none";
  const seconds = Number(header);
  return seconds === seconds ? seconds * 1000 : Date.parse(header) - Date.now();
}
