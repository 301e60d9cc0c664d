// What the core calls: `src/host.rs` is the other half. None of these methods runs user code but `emit`, `fail`, `store` and
// `fetch`.

import type { Saved } from "./cache";
import { cacheKey, savedText } from "./cache";
import { FlagwireError } from "./error";
import { changeOf, isEvaluation, type Changes, type Values } from "./values";
import type { APIRequestMiddleware, CacheOptions, Evaluation, Reason, Status, Target } from "./types";

declare const VERSION: string;

/** A `Harness-Target` header of this many characters and more is left out, as the published clients do. */
const MAX_TARGET_HEADER = 262_144;

/** Names by the numbers that `src/driver.rs` gives. */
const EVENTS = ["ready", "connected", "disconnected", "stopped", "polling", "polling stopped", "flags loaded"];
const CHANGED = 7;
const IDENTIFIED = 8;
const ERRORS = ["auth error", "fetch flags error", "fetch flag error", "stream error", "metrics error"];
const STATUSES: Status[] = ["initializing", "cached", "ready", "stale", "closed"];
const REASONS: (Reason | undefined)[] = [undefined, "auth", "fetch", "stream", "hidden", "target"];
const CHANGE_KINDS = ["create", "patch", "delete"];
const DOMAINS = ["flag", "target-segment"];

/** What the client does for its host. */
export interface Owner {
  emit(name: string, payload?: unknown): void;
  changed(changes: Changes): void;
  identified(switches: number): void;
  state(status: Status, reason?: Reason): void;
  save(saved: Saved): void;
  /** 0 join the group of that name, 1 leave it, 2 steal its lock, 3 say something to the others. */
  tabs(action: number, message: number, text: string): void;
  /** Calls `tick` of the core then. */
  arm(delayMs: number): void;
}

export class Host {
  middleware: APIRequestMiddleware | undefined;

  constructor(
    private readonly owner: Owner,
    private readonly apiKey: string,
    private readonly values: Values,
    private readonly cache: CacheOptions,
  ) {}

  // ---- reading and writing JSON ----

  setTarget(target: Target): void {
    this.values.setTarget(target);
  }

  targetPath(): string {
    return encodeURIComponent(this.values.target.identifier);
  }

  targetHeader(): string {
    const bytes = new TextEncoder().encode(JSON.stringify(this.values.target));
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    const header = btoa(binary);
    return header.length < MAX_TARGET_HEADER ? header : "";
  }

  signInRequest(): string {
    return JSON.stringify({ apiKey: this.apiKey, target: this.values.target });
  }

  signIn(reply: { authToken?: unknown; streamUrl?: unknown } | null): string[] | undefined {
    try {
      const token = String(reply!.authToken);
      const payload = atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"));
      const bytes = Uint8Array.from(payload, (character) => character.charCodeAt(0));
      const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
      const text = (value: unknown) => (value == null ? "" : String(value));
      const environment = text(claims["environment"]);
      return environment
        ? [token, environment, text(claims["clusterIdentifier"]), text(claims["environmentIdentifier"]), text(claims["accountID"]), text(reply!.streamUrl)]
        : undefined;
    } catch {
      return undefined;
    }
  }

  changeEvent(data: string): { code: number; identifier?: string; evaluations?: Evaluation[] } {
    try {
      const { event, domain, identifier, evaluations } = JSON.parse(data) as Record<string, unknown>;
      if (typeof event !== "string" || typeof domain !== "string" || typeof identifier !== "string") return { code: 0 };
      const [kind, place] = [CHANGE_KINDS.indexOf(event), DOMAINS.indexOf(domain)];
      if (kind < 0 || place < 0) return { code: 1 };
      const complete = Array.isArray(evaluations) && evaluations.length && evaluations.every(isEvaluation);
      return { code: 2 + place * 3 + kind, identifier, evaluations: complete ? (evaluations as Evaluation[]) : undefined! };
    } catch {
      return { code: 0 };
    }
  }

  evaluations(reply: unknown, single: boolean): Evaluation[] | undefined {
    const list = single ? [reply] : reply;
    if (!Array.isArray(list)) return undefined;
    const good = list.filter(isEvaluation);
    if (single) return good.length ? good : undefined;
    return good.sort((one, other) => (one.flag < other.flag ? -1 : 1));
  }

  flags(list: readonly Evaluation[]): string[] {
    return list.map(({ flag }) => flag);
  }

  // ---- the values ----

  replace(list: Evaluation[], keep: string[]): Changes | undefined {
    return this.values.replace(list, keep);
  }

  merge(list: readonly Evaluation[]): Changes | undefined {
    return this.values.merge(list);
  }

  remove(flag: string): Changes | undefined {
    return this.values.remove(flag);
  }

  save(): Saved {
    return { key: cacheKey(this.apiKey, this.values.target, this.cache), text: savedText(this.values.evaluations()) };
  }

  takeCounts(): string | undefined {
    return this.values.takeCounts({ version: VERSION });
  }

  settleCounts(keep: boolean): void {
    this.values.settleCounts(keep);
  }

  retryAfter(header: string): number {
    const seconds = Number(header);
    return seconds === seconds ? seconds * 1000 : Date.parse(header) - Date.now();
  }

  // ---- what may run user code ----

  emit(event: number, detail: unknown): void {
    if (event === CHANGED) this.owner.changed(detail as Changes);
    else if (event === IDENTIFIED) this.owner.identified(detail as number);
    else if (event < CHANGED) this.owner.emit(EVENTS[event]!, this.#payload(event));
    else this.owner.state(STATUSES[(detail as number) >> 4]!, REASONS[(detail as number) & 15]);
  }

  fail(kind: number, code: string, message: string, status: number, final: boolean): void {
    this.owner.emit(ERRORS[kind]!, new FlagwireError(message, code, status || undefined, final));
  }

  store(saved: Saved): void {
    this.owner.save(saved);
  }

  async fetch(url: string, headers: string[], body: string | undefined, signal: AbortSignal, keepalive: boolean): Promise<Response> {
    const plain: Record<string, string> = {};
    for (let index = 0; index < headers.length; index += 2) plain[headers[index]!] = headers[index + 1]!;
    // The browser's own cache would keep evaluations, and answer a 304 for us.
    const init: RequestInit = { headers: plain, signal, keepalive, cache: "no-store" };
    if (body !== undefined) {
      plain["Content-Type"] = "application/json";
      init.method = "POST";
      init.body = body;
    }
    return fetch(...(this.middleware?.([url, init]) ?? ([url, init] as const)));
  }

  // ---- the other tabs ----

  tabs(action: number, message: number, text: string): void {
    this.owner.tabs(action, message, text);
  }

  // ---- time ----

  arm(delayMs: number): void {
    this.owner.arm(delayMs);
  }

  #payload(event: number): unknown {
    if (event === 0) return this.values.all();
    return event === 6 ? this.values.evaluations() : undefined;
  }
}

export { changeOf };
