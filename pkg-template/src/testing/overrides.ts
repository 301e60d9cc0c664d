// The fixture's flags on a real `flagwire-server`: what a test sets becomes an override of the targets of its pages, and ends with it.

import { FlagwireError } from "../failure";
import type { Target } from "../types";
import { testEvaluation, unknownFlag } from "./flags";

/** What is used of `GET /admin/state`. */
interface AdminFlag {
  readonly flag: string;
  readonly variations: readonly { readonly identifier: string; readonly value: string }[];
  readonly overrides?: unknown;
}

type Known = () => Promise<readonly AdminFlag[]>;

export class TargetOverrides {
  readonly url: string;
  readonly targets: Target[] = [];
  readonly #token: string | undefined;
  /** The values that the test wants, which targets get that sign in later. */
  readonly #wanted: Map<string, unknown>;
  /** What was set, by target and flag, so that it can be ended. */
  readonly #set = new Map<string, [identifier: string, flag: string]>();

  constructor(url: string, token: string | undefined, flags: object) {
    this.url = url;
    this.#token = token;
    this.#wanted = new Map(Object.entries(flags).filter(([, value]) => value !== undefined));
  }

  /** Sets the overrides of a target before its client has any values. */
  async signIn(body: string): Promise<void> {
    const { target } = JSON.parse(body) as { target: Target };
    const isKnown = this.targets.some(({ identifier }) => identifier === target.identifier);
    this.targets.push(target);
    if (isKnown) return;
    const known = this.#known();
    for (const [flag, value] of this.#wanted) await this.#override(target.identifier, flag, value, known);
  }

  async set(flag: unknown, value?: unknown): Promise<void> {
    const flags = typeof flag === "string" ? { [flag]: value } : (flag as Record<string, unknown>);
    const known = this.#known();
    for (const [name, value] of Object.entries(flags)) {
      if (value === undefined) {
        await this.remove(name);
        continue;
      }
      this.#wanted.set(name, value);
      for (const identifier of this.#identifiers()) await this.#override(identifier, name, value, known);
    }
  }

  async remove(flag: string): Promise<void> {
    this.#wanted.delete(flag);
    for (const identifier of this.#identifiers()) await this.#end(identifier, flag);
  }

  /** Ends all overrides of this test. */
  async end(): Promise<void> {
    for (const [identifier, flag] of [...this.#set.values()]) await this.#end(identifier, flag);
  }

  #identifiers(): Set<string> {
    return new Set(this.targets.map(({ identifier }) => identifier));
  }

  /** Returns a function that fetches the server's flags when it is called first. */
  #known(): Known {
    let flags: ReturnType<Known> | undefined;
    return () => (flags ??= this.#ask("GET", "/admin/state").then((state) => (state as { flags: readonly AdminFlag[] }).flags));
  }

  async #override(identifier: string, flag: string, value: unknown, known: Known): Promise<void> {
    const flags = await known();
    const found = flags.find((one) => one.flag === flag);
    if (!found) throw unknownFlag(flag, flags.map((one) => one.flag));
    const wanted = testEvaluation(flag, value);
    const variation = found.variations.find((one) => testEvaluation(flag, valueOf(one.value, wanted.kind)).identifier === wanted.identifier);
    if (!variation) throw new FlagwireError(`the server's flag "${flag}" has no variation with the value ${wanted.value}; it has ${found.variations.map((one) => one.value).join(", ")}`, "test-value");
    this.#set.set(JSON.stringify([identifier, flag]), [identifier, flag]);
    await this.#ask("POST", `/admin/flags/${encodeURIComponent(flag)}`, { target: { identifier, variation: variation.identifier } });
  }

  async #end(identifier: string, flag: string): Promise<void> {
    if (!this.#set.delete(JSON.stringify([identifier, flag]))) return;
    await this.#ask("POST", `/admin/flags/${encodeURIComponent(flag)}`, { target: { identifier, variation: null } });
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const headers = { ...(body !== undefined && { "content-type": "application/json" }), ...(this.#token && { authorization: `Bearer ${this.#token}` }) };
    const response = await fetch(new URL(path, this.url), { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    const text = await response.text();
    if (!response.ok) throw new FlagwireError(`${method} ${path} of the server failed with status ${response.status}: ${text.slice(0, 300)}; FLAGWIRE_ADMIN_TOKEN must hold an admin token that may edit`, "test-server", response.status);
    return JSON.parse(text);
  }
}

/** A variation's value in JavaScript, or as text where it is none of the kind. */
function valueOf(text: string, kind: string): unknown {
  if (kind === "string") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
