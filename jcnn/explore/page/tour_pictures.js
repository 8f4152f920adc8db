// What the network says of the embedded pictures, by JAX's outputs, which the page holds for its check.

import { indexOfLargest } from "./why_class.js";

// JAX's probabilities of each embedded picture; null for those that the page does not hold.
export function predictions({ pictures, checks }) {
  return pictures.map((_, i) => checks.find(({ picture }) => picture === i)?.outputs.at(-1)?.data ?? null);
}

// The pictures that are classified wrongly.
export function wrongPictures(network) {
  return predictions(network).flatMap((data, i) =>
    (data && network.pictures[i].label !== null && indexOfLargest(data) !== network.pictures[i].label ? [i] : []));
}

// The picture that is classified most surely, and right if its label is known.
export function surest(network) {
  const wrong = wrongPictures(network);
  const known = predictions(network).flatMap((data, i) => (data && !wrong.includes(i) ? [{ i, score: Math.max(...data) }] : []));
  return known.length === 0 ? null : known.reduce((a, b) => (b.score > a.score ? b : a)).i;
}
