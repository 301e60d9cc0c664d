// The wire: requests as they are sent, replies as they are read. The core says what to ask and what a reply counts for;
// `src/host.rs` is the other half. Names that end in `_` are used between the two alone, and shortened by the build.

import { cacheKey, savedText, type Saved } from "./cache";
import type { Endpoints } from "./options";
import { sha256 } from "./sha256";
import type { APIRequestMiddleware, CacheOptions, Evaluation } from "./types";
import { isEvaluation, type Values } from "./values";

declare const VERSION: string;

/** A `Harness-Target` header of this many characters and more is left out, as the published clients do. */
const MAX_TARGET_HEADER = 262_144;

/** The number of a request that the core has not asked for yet; its own begin at 0. */
const EARLY = -1;

const CHANGE_KINDS = ["create", "patch", "delete"];
const DOMAINS = ["flag", "target-segment"];
const JSON_TYPE = { "Content-Type": "application/json" };
const SDK = { "Harness-SDK-Info": `Flagwire ${VERSION} Client` };

type Prepared = [url: string, init: RequestInit];

/** What a stream event's data says. */
interface ChangeEvent {
  /** 0 malformed, 1 unknown, 2 to 4 create, patch and delete of a flag, 5 to 7 of a target group. */
  code_: number;
  identifier_?: string;
  /** The new evaluations, where there are any and all are complete. */
  carried_?: Evaluation[] | undefined;
}

export class Wire {
  middleware_: APIRequestMiddleware | undefined;
  readonly #apiKey: string;
  readonly #endpoints: Endpoints;
  readonly #values: Values;
  readonly #cache: CacheOptions;
  readonly #underWay = new Map<number, AbortController>();
  /** Body and reply of a sign-in that was sent before the core asked for it. */
  #early: [body?: RequestInit["body"], reply?: Promise<Response>] = [];
  /** What the last sign-in gave: headers of all requests after it, where they go, and the URL for a native stream. */
  #headers: Record<string, string> = {};
  #environment = "";
  #cluster = "";
  #streamUrl = "";

  constructor(apiKey: string, endpoints: Endpoints, values: Values, cache: CacheOptions) {
    this.#apiKey = apiKey;
    this.#endpoints = endpoints;
    this.#values = values;
    this.#cache = cache;
  }

  /** The name of the group of tabs that share a stream; nobody reads a key or a target in a list of locks. */
  group_(): string {
    const target = this.#targetHeader();
    return target && "flagwire-1-" + sha256([this.#endpoints.base, this.#apiKey, target].join()).slice(0, 16);
  }

  request_(ask: number, text: string): Prepared | string {
    const { base } = this.#endpoints;
    if (ask === 0) {
      const body = JSON.stringify({ apiKey: this.#apiKey, target: this.#values.target_ });
      return [base + "/client/auth", { method: "POST", headers: { ...SDK, ...JSON_TYPE }, body }];
    }
    if (ask === 4) return /^http/.test(this.#streamUrl) ? this.#streamUrl : base + "/" + this.#streamUrl.replace(/^\/+/, "");
    const headers = this.#allHeaders();
    let url = base + "/stream";
    if (ask === 3) Object.assign(headers, { "API-Key": this.#apiKey, Accept: "text/event-stream", "Cache-Control": "no-cache" });
    else {
      url = `${base}/client/env/${this.#environment}/target/${encodeURIComponent(this.#values.target_.identifier)}/evaluations`;
      if (ask === 2) url += "/" + encodeURIComponent(text);
      else if (text) headers["If-None-Match"] = text;
    }
    // A list that was cut or replaced on the way, kept by the browser's own cache with its `ETag`, would be confirmed by a 304 and
    // served broken again and again. Only here, because Chromium asks for a preflight before each such request to another origin;
    // a single flag that cannot be read is followed by this.
    return [url + this.#cluster, ask === 1 ? { headers, cache: "no-store" } : { headers }];
  }

  takeCounts_(): Prepared | undefined {
    const body = this.#values.takeCounts_(VERSION);
    const url = `${this.#endpoints.events}/metrics/${this.#environment}${this.#cluster}`;
    return body === undefined ? undefined : [url, { method: "POST", headers: { ...this.#allHeaders(), ...JSON_TYPE }, body }];
  }

  /** Sends the first sign-in, while the core that will ask for it is still on its way. */
  signInEarly_(): void {
    const request = this.request_(0, "") as Prepared;
    const reply = this.fetch_(EARLY, request, false, false);
    reply.catch(() => {}); // the core's to hear of
    this.#early = [request[1].body, reply];
  }

  async fetch_(id: number, [url, init]: Prepared, keepalive: boolean, detached: boolean): Promise<Response> {
    const [body, reply] = this.#early;
    this.#early = [];
    if (reply) {
      // The core's first request is the sign-in; of another target where that was switched meanwhile.
      if (body === init.body) {
        this.#underWay.set(id, this.#underWay.get(EARLY)!);
        return reply;
      }
      this.end_(EARLY);
    }
    if (!detached) {
      const abort = new AbortController();
      this.#underWay.set(id, abort);
      init.signal = abort.signal;
    }
    init.keepalive = keepalive;
    const response = await fetch(...(this.middleware_?.([url, init]) ?? ([url, init] as const)));
    // Any script may have put its own `fetch` in place of the browser's. What is no response is thrown out here, as a failure.
    response.headers.get("etag");
    return response;
  }

  end_(id: number): void {
    this.#underWay.get(id)?.abort();
    this.#underWay.delete(id);
  }

  /** Nobody waits for anything any more. */
  endAll_(): void {
    for (const id of this.#underWay.keys()) this.end_(id);
  }

  retryAfter_(header: string): number {
    const seconds = Number(header);
    return seconds === seconds ? seconds * 1000 : Date.parse(header) - Date.now();
  }

  signIn_(reply: { authToken?: unknown; streamUrl?: unknown } | null): number {
    try {
      const token = String(reply!.authToken);
      const payload = atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"));
      const bytes = Uint8Array.from(payload, (character) => character.charCodeAt(0));
      const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
      const text = (value: unknown) => (value == null ? "" : String(value));
      const environment = text(claims["environment"]);
      if (!environment) return 0;
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
      return this.#streamUrl ? 2 : 1;
    } catch {
      return 0;
    }
  }

  changeEvent_(data: Uint8Array): ChangeEvent {
    try {
      const { event, domain, identifier, evaluations } = JSON.parse(new TextDecoder().decode(data)) as Record<string, unknown>;
      if (typeof event !== "string" || typeof domain !== "string" || typeof identifier !== "string") return { code_: 0 };
      const [kind, place] = [CHANGE_KINDS.indexOf(event), DOMAINS.indexOf(domain)];
      if (kind < 0 || place < 0) return { code_: 1 };
      const complete = Array.isArray(evaluations) && evaluations.length && evaluations.every(isEvaluation);
      return { code_: 2 + place * 3 + kind, identifier_: identifier, carried_: complete ? (evaluations as Evaluation[]) : undefined };
    } catch {
      return { code_: 0 };
    }
  }

  evaluations_(reply: unknown, single: boolean): Evaluation[] | undefined {
    const list = single ? [reply] : reply;
    if (!Array.isArray(list)) return undefined;
    const good = list.filter(isEvaluation);
    if (single) return good.length ? good : undefined;
    return good.sort((one, other) => (one.flag < other.flag ? -1 : 1));
  }

  save_(): Saved {
    return { key: cacheKey(this.#apiKey, this.#values.target_, this.#cache), text: savedText(this.#values.list_()) };
  }

  /** Against Harness no other names may be sent: its CORS preflight would fail. */
  #allHeaders(): Record<string, string> {
    const all = { ...this.#headers, "Harness-Target": this.#targetHeader() };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
  }

  /** Base64 of the UTF-8 of the target's JSON. */
  #targetHeader(): string {
    const bytes = new TextEncoder().encode(JSON.stringify(this.#values.target_));
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    const header = btoa(binary);
    return header.length < MAX_TARGET_HEADER ? header : "";
  }
}
