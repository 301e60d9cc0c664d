// Finds the causes of mistakes and failures, for the sentences of the development build.

/** A description for each code by which Node names the cause of a failed connection. */
const CONNECTION: { readonly [code: string]: string } = {
  ECONNREFUSED: "the connection was refused: nothing listens there",
  ECONNRESET: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  ENOTFOUND: "DNS does not know this name",
  EAI_AGAIN: "DNS does not answer",
  ETIMEDOUT: "the connection timed out",
  UND_ERR_CONNECT_TIMEOUT: "the connection timed out",
  EHOSTUNREACH: "there is no way to this host",
  ENETUNREACH: "there is no way to this network",
};

/** Returns why there was no answer, as far as a page can know. Browsers do not report the cause, so it is guessed from the page. */
export function causeOf(address: string, thrown: unknown): string {
  const text = String((thrown as Error | undefined)?.message ?? thrown);
  const cause = (thrown as { cause?: { code?: unknown; message?: unknown } } | undefined)?.cause;
  const code = String(cause?.code ?? "");
  if (code) return CONNECTION[code] ?? (/CERT|TLS|SSL|SIGNATURE/.test(code) ? `TLS: ${String(cause?.message)}` : `${code}: ${String(cause?.message)}`);
  // The message of Node's error is always "fetch failed"; its `cause` has more, such as too many redirects.
  if (cause?.message) return String(cause.message);
  if (typeof location !== "object") return text;
  if (globalThis.navigator?.onLine === false) return "the browser is offline";
  let url: URL;
  try {
    url = new URL(address, location.href);
  } catch {
    return `${address} is no URL`;
  }
  if (location.protocol === "https:" && url.protocol === "http:" && !/^(localhost|127\.|\[::1\])/.test(url.hostname)) return "a page of https: may not ask http:";
  if (url.origin === location.origin) return `${text}: the server cannot be reached`;
  return `${text}: the server cannot be reached, its certificate is not valid, the page's content security policy forbids it, or the server does not allow pages of ${location.origin} (CORS); the browser's console says which`;
}

/** Returns the name that differs least, unless it differs too much. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  // A name counts as another one if more than a third of its letters differ.
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const other of names) {
    if (Math.abs(other.length - name.length) >= least) continue;
    const wrong = distance(name.toLowerCase(), other.toLowerCase());
    if (wrong < least) [best, least] = [other, wrong];
  }
  return best;
}

/** Returns how many letters must be added, removed, replaced or swapped with the next one to turn one name into the other. */
function distance(one: string, other: string): number {
  let [before, last]: number[][] = [[], Array.from({ length: other.length + 1 }, (_, index) => index)];
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1];
      const swapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current[column] = Math.min(last![column]! + 1, current[column - 1]! + 1, last![column - 1]! + +!same, swapped ? before![column - 2]! + 1 : Infinity);
    }
    [before, last] = [last, current];
  }
  return last![other.length]!;
}
