// Computes the SHA-256 of a text as lower-case hexadecimal. `crypto.subtle` is asynchronous, and the first values have to be available
// synchronously.
//
// Source: FIPS 180-4.

import { encode } from "./guard";

/** Returns the first 32 bits of the fractional parts of the `root`s of the first `count` primes: the standard's constants. */
function fractions(count: number, root: (prime: number) => number): number[] {
  const parts: number[] = [];
  for (let candidate = 2; parts.length < count; candidate++) {
    let divisor = 2;
    while (candidate % divisor) divisor++;
    if (divisor === candidate) parts.push((root(candidate) * 2 ** 32) | 0);
  }
  return parts;
}

export function sha256(text: string): string {
  const bytes = encode(text);
  const words = new Int32Array(((bytes.length + 72) >> 6) * 16);
  bytes.forEach((byte, index) => (words[index >> 2]! |= byte << (24 - (index % 4) * 8)));
  words[bytes.length >> 2]! |= 0x80 << (24 - (bytes.length % 4) * 8);
  words[words.length - 1] = bytes.length * 8;

  const k = fractions(64, Math.cbrt);
  const hash = fractions(8, Math.sqrt);
  const rotate = (word: number, by: number) => (word >>> by) | (word << (32 - by));
  for (let block = 0; block < words.length; block += 16) {
    const w = [...words.subarray(block, block + 16)];
    let [a, b, c, d, e, f, g, h] = hash as [number, number, number, number, number, number, number, number];
    for (let round = 0; round < 64; round++) {
      if (round > 15) {
        const [x, y] = [w[round - 15]!, w[round - 2]!];
        w[round] = (w[round - 16]! + w[round - 7]! + (rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3)) + (rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10))) | 0;
      }
      const one = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + k[round]! + w[round]!) | 0;
      const two = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, index) => (hash[index] = (hash[index]! + word) | 0));
  }
  return hash.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}
