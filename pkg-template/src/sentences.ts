// The texts of errors and warnings in the development build; the production build gives the code and the data instead.
// docs/ERRORS.md describes each code, and a test compares the two.

import { causeOf, nearest } from "./diagnose";
import type { EventName } from "./events";
import type { Slot } from "./values";

/** The data of a failed request or stream: the event, the URL, the status, the server's message, and the error that was thrown. */
type Service = [event: EventName, address: string, status?: number, words?: string, thrown?: unknown];

/** The data of a read that returned the default: the flag's name, its evaluation if there is one, the default, and all flags. */
type Read = [flag: string, found?: Slot | undefined, defaultValue?: unknown, names?: Iterable<string>];

/** The number of characters of a server's message that are quoted. */
const MAX_WORDS = 300;

const DOING: { readonly [event: string]: string } = {
  "auth error": "signing in at",
  "fetch flags error": "fetching all flags from",
  "fetch flag error": "fetching a flag from",
  "stream error": "the stream from",
  "metrics error": "posting metrics to",
};

/** Returns a message with the parts that all failed requests have in common. */
function failed([event, address, status, words]: Service, why: string): string {
  // The quote is kept to one line without control characters: a server could forge log lines or colour a terminal with them.
  const said = words ? `; the server says: ${words.replace(/[\s\p{Cc}]+/gu, " ").slice(0, MAX_WORDS).replace(/\.? ?$/, "")}` : "";
  return `${DOING[event]} ${address} failed${status ? ` with status ${status}` : ""}: ${why}${said}`;
}

/** The sentence for each code, without its full stop. */
export const sentences = {
  // Wrong arguments.
  "missing-key": () => "the API key is missing; pass a client key of your environment as the first argument",
  "missing-target": () => 'a target with an identifier is missing; pass e.g. { identifier: "user-42" }',
  "invalid-target": (why: unknown) => `the target cannot be sent as JSON: ${String(why).replace(/\s+/g, " ")}; pass texts, numbers, booleans, lists and plain objects`,
  "option": (name: string, wanted: string, used: string) => `the option ${name} must be ${wanted}; ${used} is used`,
  "no-overrides": () => "this client has no overrides; make it with { overrides: localOverrides() } from flagwire/overrides",
  "evaluations": (what: string) => `${what} must be a list of evaluations, { flag, identifier, value, kind } with four texts each; what is none was left out`,

  // Failed requests and streams.
  "network": (...data: Service) => failed(data, data[0] !== "stream error" ? `no answer came (${causeOf(data[1], data[4])}). It is tried again` : `it ended${data[4] ? ` (${causeOf(data[1], data[4])})` : ""}. It is opened again`),
  "timeout": (...data: Service | [timeoutMs: number]) => data.length === 1 ? `no evaluations came within ${data[0]} ms. It is tried further` : failed(data, "no answer came in time. It is tried again"),
  "malformed": (...data: Service) =>
    failed(data, data[0] === "stream error" ? "what it sent cannot be read. It is tried again" : "the reply cannot be read: it may be a page of a proxy, of a network's login, or of another service. It is tried again"),
  "bad-request": (...data: Service) => failed(data, data[0] === "auth error" ? "the server refused the target; check its identifier and name" : "the server refused the request"),
  "unauthorized": (...data: Service) =>
    failed(
      data,
      data[0] !== "auth error"
        ? "the server refused the token"
        : data[2] === 403
        ? "the server refused the API key here; a server key must not be used in a page: pass a client key of this environment"
        : "the server refused the API key; check that it is a client key of this environment",
    ),
  "not-found": (...data: Service) => failed(data, data[0] === "auth error" ? "no flag service answers there; check baseUrl" : data[0] === "stream error" ? "there is no stream; flags are polled instead" : "there is no such thing"),
  "too-large": (...data: Service) => failed(data, "the target is too large for the server; pass fewer or shorter attributes"),
  "throttled": (...data: Service) => failed(data, "the server is busy. It is tried again"),
  "server": (...data: Service) => failed(data, "the server has a problem. It is tried again"),
  "status": (...data: Service) => failed(data, "the server refused it"),

  // The client.
  "closed": () => "the client is closed",
  "cache": (why: unknown) => `the cache could not be read or written: ${String(why)}`,
  "load": (why: string) => `neither the WebAssembly module nor the JavaScript build could be loaded (${why}); both must be served beside the script. It is tried again`,
  "javascript-build": (why: string) => `the WebAssembly module does not run here (${why}); the JavaScript build takes its place. Import flagwire/javascript to have that alone`,
  "internal": (why: unknown) => `there was an internal error (${String(why)}); please report it`,

  // Reads, with the option `debug`.
  "unknown-flag": (...[flag, , , names]: Read) => {
    const other = nearest(flag, names ?? []);
    return `there is no flag ${flag}; its default was returned${other ? `. Do you mean ${other}?` : ""}`;
  },
  "wrong-type": (...[flag, found, defaultValue]: Read) => `the flag ${flag} is a ${typeof found?.value_} and was read with a default that is a ${typeof defaultValue}; its default was returned`,
  "wrong-value": (...[flag, found]: Read) => `the flag ${flag} is of kind ${found?.evaluation_.kind}, and its value ${JSON.stringify(found?.evaluation_.value)} is none; its default was returned`,

  "harness-ends": () => "the client talks to Harness, whose Feature Flags end on 2026-12-31 for free plans and on 2027-04-30 for paid plans; pass baseUrl, the address of your own server",

  // A mistake that a server accepts, found in development.
  "server-key": () => "this is a server key; everybody who opens the page can read it, and all rules with it. Pass a client key, and replace this one",
} as const;

/** The code of a message; errors have it as their `code`. */
export type Code = keyof typeof sentences;

/** The codes of failed requests and of the stream. */
export type FailureCode = "network" | "timeout" | "malformed" | "bad-request" | "unauthorized" | "not-found" | "too-large" | "throttled" | "server" | "status";

/** The data of a code. */
export type Data<C extends Code> = Parameters<(typeof sentences)[C]>;

/** Returns whether a value could not be converted to its kind, so that it stayed text. */
export function isNone({ value_: value, evaluation_: { kind, value: text } }: Slot): boolean {
  return value === text && kind.toLowerCase() !== "string";
}
