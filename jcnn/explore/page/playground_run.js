// The output of the playground: the layers of the forward pass, and what it has not: similarity,
// dropout in training, and a ReLU behind a layer.

import { eachCell, runLayer } from "./forward.js";
import { seededMask } from "./playground_mask.js";
import { placeOf } from "./shapes.js";
import { termsOf } from "./terms.js";

// The numbers of the output, with the ReLU if one is chosen.
export function runPlay(layer, x) {
  const y = beforeRelu(layer, x);
  return layer.relu ? y.map((value) => Math.max(value, 0)) : y;
}

function beforeRelu(layer, x) {
  const count = layer.out.reduce((a, b) => a * b);
  if (layer.kind === "similarity") {
    return Float64Array.from({ length: count }, (_, unit) => similarityTerms(layer, x, unit).result);
  }
  if (layer.kind === "dropout") {
    const { mask, scale } = layer;
    return Float64Array.from(x, (value, i) => (mask[i] ? value * scale : 0));
  }
  return runLayer(layer, x);
}

// As `termsOf`, for every layer of the playground.
export function playTerms(layer, x, unit) {
  if (layer.kind === "similarity") return similarityTerms(layer, x, unit);
  return termsOf(layer, x, unit);
}

// The share of the cells under the feature that equal it; a product is 1 where they are equal.
function similarityTerms(layer, x, unit) {
  const { row, column, channel: filter } = placeOf(layer.out, unit);
  const { data, shape } = layer.arrays.kernel;
  const [, columns, channels, filters] = shape;
  const terms = [];
  eachCell(layer, row, column, (i, j, cell) => {
    for (let channel = 0; channel < channels; channel++) {
      const source = cell < 0 ? -1 : cell * channels + channel;
      const weight = data[((i * columns + j) * channels + channel) * filters + filter];
      const value = source < 0 ? 0 : x[source];
      terms.push({ source, row: i, column: j, channel, weight, value, product: value === weight ? 1 : 0 });
    }
  });
  const equal = terms.reduce((sum, { product }) => sum + product, 0);
  return { kind: layer.kind, terms, bias: 0, equal, result: equal / terms.length };
}

// The parts of a dropout layer of the playground.
export function dropoutParts({ rate, seed }, count) {
  return { rate, seed, ...seededMask(count, rate, seed) };
}
