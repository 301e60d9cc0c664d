// The npm package's own `Wire` and `Values`, for the stories of crates/core. What the core asks of them crosses as it does in a
// page; what the stories look at crosses as JSON.

import type { Evaluation, Target } from "../../../../pkg-template/src/types";
import { Values, type Changes } from "../../../../pkg-template/src/values";
import { Wire } from "../../../../pkg-template/src/wire";

/** The wire and the values of one client. */
export class Shipped {
  readonly #values: Values;
  readonly #wire: Wire;

  constructor(apiKey: string, base: string, events: string, target: string) {
    this.#values = new Values(JSON.parse(target) as Target);
    // The stories' world sends requests and reads replies.
    this.#wire = new Wire(apiKey, { base_: base, events_: events }, this.#values, () => {});
  }

  setTarget(target: string): void {
    this.#values.setTarget_(JSON.parse(target) as Target);
  }

  group(): string | undefined {
    return this.#wire.group_();
  }

  request(ask: number, text?: string): string {
    return JSON.stringify(this.#wire.request_(ask, text));
  }

  signIn(reply: string): number {
    return this.#wire.signIn_(JSON.parse(reply) as never);
  }

  /** The number of the change, the identifier, and a list of evaluations to be stored, if any. */
  changeEvent(data: Uint8Array): [code: number, identifier: string | undefined, carried: Evaluation[] | undefined] {
    const { code_: code, identifier_: identifier, carried_: carried } = this.#wire.changeEvent_(data);
    return [code, identifier, carried];
  }

  evaluations(reply: string, single: boolean): Evaluation[] | undefined {
    return this.#wire.evaluations_(JSON.parse(reply), single);
  }

  replace(list: Evaluation[], asOf: number): string | undefined {
    return told(this.#values.replace_(list, asOf));
  }

  merge(list: Evaluation[], asOf: number): string | undefined {
    return told(this.#values.merge_(list, asOf));
  }

  remove(flag: string, asOf: number): string | undefined {
    return told(this.#values.remove_(flag, asOf));
  }

  settle(): void {
    this.#values.settle_();
  }

  save(): string {
    return JSON.stringify(this.#wire.save_());
  }

  takeCounts(): string | undefined {
    return JSON.stringify(this.#wire.takeCounts_());
  }

  settleCounts(keep: boolean): void {
    this.#values.settleCounts_(keep);
  }

  /** All evaluations that are held. */
  held(): string {
    return JSON.stringify(this.#values.list_());
  }

  /** Reads a flag and counts the read, as `Client.variation` does. */
  read(flag: string): string | undefined {
    const slot = this.#values.slots_.get(flag);
    if (!slot) return undefined;
    slot.n++;
    return JSON.stringify(slot.evaluation_);
  }
}

/** Flags with their new evaluations; null where a flag is gone. */
function told(changes: Changes | undefined): string | undefined {
  return changes && JSON.stringify(changes.map((change) => (typeof change === "string" ? [change, null] : [change.evaluation_.flag, change.evaluation_])));
}
