// Random numbers of a training in the page. Each is a function of integers (a seed, a layer, a place),
// so that a training can be repeated, and none depends on how many were drawn before.

import { mixBits } from "./dropout_view.js";

// 32 bits that depend on all of these integers and on their order.
export function bitsOf(...integers) {
  return integers.reduce((bits, one) => mixBits((bits + Math.imul(one + 1, 0x9e3779b9)) >>> 0), 0);
}

// A number of [0, 1).
export function uniformOf(...integers) {
  return bitsOf(...integers) / 2 ** 32;
}

// A normal number whose size is at most 2; larger ones are drawn again (Box and Muller, 1958).
export function truncatedNormalOf(...integers) {
  for (let attempt = 0; ; attempt++) {
    const [u, v] = [uniformOf(...integers, attempt, 0), uniformOf(...integers, attempt, 1)];
    const number = Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);
    if (Math.abs(number) <= 2) return number;
  }
}

// 0 to count - 1 in random order (Fisher and Yates).
export function shuffledRows(count, ...integers) {
  const rows = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const k = Math.floor(uniformOf(...integers, i) * (i + 1));
    [rows[i], rows[k]] = [rows[k], rows[i]];
  }
  return rows;
}
