// The terms of one unit: inputs, weights, products and result.

import { exampleNormSources } from "./example_norm.js";
import { activate, eachCell, normalisation } from "./forward.js";
import { isJoin, joinSources } from "./joins.js";
import { rearrangedTerms } from "./rearranging.js";
import { placeOf } from "./shapes.js";
import { transposedTerms } from "./transposed.js";

// {kind, terms: [{source, row, column, channel, weight, value, product}], bias, result}.
// `source` is an index into x, -1 for padding; row, column and channel are the position in the
// kernel (in a dense layer, `channel` is the input). The terms are in the order of the forward pass,
// so `result` equals its number bit for bit.
export function termsOf(layer, x, unit) {
  return { kind: layer.kind, bias: 0, ...TERMS[layer.kind](layer, x, unit) };
}

// For each input of the layer, the indices that the unit reads there.
export function sourcesByInput(layer, unit) {
  return isJoin(layer) ? joinSources(layer, unit) : [sourcesOf(layer, unit)];
}

// The same for a layer of one input, ascending.
export function sourcesOf(layer, unit) {
  return SOURCES[layer.kind](layer, unit);
}

const TERMS = {
  conv: convTerms,
  dense: denseTerms,
  max_pool: (layer, x, unit) => {
    const terms = windowTerms(layer, x, unit);
    let winner = null;
    for (const term of terms) {
      if (term.source < 0) continue;
      if (winner === null || term.value > winner.value || Number.isNaN(term.value)) winner = term;
    }
    Object.assign(winner, { weight: 1, product: winner.value });
    return { terms, winner: terms.indexOf(winner), result: winner.value };
  },
  average_pool: (layer, x, unit) => {
    const terms = windowTerms(layer, x, unit);
    const inside = terms.filter((term) => term.source >= 0);
    for (const term of inside) term.weight = 1 / inside.length;
    for (const term of inside) term.product = term.value / inside.length;
    const sum = inside.reduce((total, term) => total + term.value, 0);
    return { terms, count: inside.length, sum, result: sum / inside.length };
  },
  activation: (layer, x, unit) =>
    layer.function === "softmax"
      ? softmaxTerms(layer, x, unit)
      : { terms: [alone(x, unit)], result: activate(layer, x[unit]) },
  flatten: (layer, x, unit) => ({ terms: [alone(x, unit)], result: x[unit] }),
  dropout: (layer, x, unit) => ({ terms: [alone(x, unit)], result: x[unit] }),
  batch_norm: (layer, x, unit) => {
    const { mean, factor } = normalisation(layer);
    const channel = unit % factor.length;
    const offset = layer.arrays.offset ? layer.arrays.offset.data[channel] : 0;
    const weight = factor[channel];
    return {
      terms: [{ ...alone(x, unit), channel, weight, product: x[unit] * weight }],
      bias: offset - mean[channel] * weight,
      result: (x[unit] - mean[channel]) * weight + offset,
    };
  },
  softmax: softmaxTerms,
  conv_transpose: transposedTerms,
};

function convTerms(layer, x, unit) {
  const { kernel, bias } = layer.arrays;
  const [, columns, perGroup, filters] = kernel.shape;
  const { row, column, channel: filter } = placeOf(layer.out, unit);
  const first = Math.floor(filter / (filters / layer.groups)) * perGroup;
  const terms = [];
  let sum = 0;
  eachCell(layer, row, column, (i, j, cell) => {
    for (let k = 0; k < perGroup; k++) {
      const source = cell < 0 ? -1 : cell * layer.in[2] + first + k;
      const weight = kernel.data[((i * columns + j) * perGroup + k) * filters + filter];
      const value = source < 0 ? 0 : x[source];
      const product = source < 0 ? 0 : weight * value;
      sum += product;
      terms.push({ source, row: i, column: j, channel: first + k, weight, value, product });
    }
  });
  const added = bias ? bias.data[filter] : 0;
  return { terms, bias: added, result: sum + added };
}

function denseTerms(layer, x, unit) {
  const { kernel, bias } = layer.arrays;
  const units = layer.out[0];
  const terms = [];
  let sum = 0;
  for (let d = 0; d < x.length; d++) {
    const weight = kernel.data[d * units + unit];
    const product = weight * x[d];
    sum += product;
    terms.push({ source: d, row: 0, column: 0, channel: d, weight, value: x[d], product });
  }
  const added = bias ? bias.data[unit] : 0;
  return { terms, bias: added, result: sum + added };
}

// The cells of a pooling window, without weights.
function windowTerms(layer, x, unit) {
  const { row, column, channel } = placeOf(layer.out, unit);
  const terms = [];
  eachCell(layer, row, column, (i, j, cell) => {
    const source = cell < 0 ? -1 : cell * layer.in[2] + channel;
    const value = source < 0 ? 0 : x[source];
    terms.push({ source, row: i, column: j, channel, weight: 0, value, product: 0 });
  });
  return terms;
}

// `product` is exp(value - shift); the result is the product of the unit divided by `sum`.
function softmaxTerms(layer, x, unit) {
  const values = softmaxSources(layer, unit).map((source) => ({ source, value: x[source] }));
  const shift = Math.max(...values.map(({ value }) => value));
  const terms = values.map(({ source, value }, channel) => {
    return { source, row: 0, column: 0, channel, weight: 1, value, product: Math.exp(value - shift) };
  });
  const sum = terms.reduce((total, term) => total + term.product, 0);
  return { terms, shift, sum, result: terms[unit % terms.length].product / sum };
}

function alone(x, unit) {
  const value = x[unit];
  return { source: unit, row: 0, column: 0, channel: 0, weight: 1, value, product: value };
}

const SOURCES = {
  conv: (layer, unit) => {
    const [, , perGroup, filters] = layer.arrays.kernel.shape;
    const { channel } = placeOf(layer.out, unit);
    const first = Math.floor(channel / (filters / layer.groups)) * perGroup;
    return windowSources(layer, unit, first, perGroup);
  },
  max_pool: (layer, unit) => windowSources(layer, unit, placeOf(layer.out, unit).channel, 1),
  average_pool: (layer, unit) => windowSources(layer, unit, placeOf(layer.out, unit).channel, 1),
  dense: (layer) => Array.from({ length: layer.in[0] }, (_, d) => d),
  activation: (layer, unit) => (layer.function === "softmax" ? softmaxSources(layer, unit) : [unit]),
  flatten: (layer, unit) => [unit],
  dropout: (layer, unit) => [unit],
  batch_norm: (layer, unit) => [unit],
  softmax: softmaxSources,
  reshape: (layer, unit) => [unit],
  spatial_dropout: (layer, unit) => [unit],
  stochastic_depth: (layer, unit) => [unit],
  conv_transpose: (layer, unit) => ascending(transposedTerms(layer, [], unit)),
  layer_norm: exampleNormSources,
  group_norm: exampleNormSources,
  zero_pad: rearrangedSources,
  crop: rearrangedSources,
  upsample: rearrangedSources,
};

function rearrangedSources(layer, unit) {
  return ascending({ terms: rearrangedTerms(layer, [], placeOf(layer.out, unit)) });
}

function ascending({ terms }) {
  return terms.map(({ source }) => source).sort((a, b) => a - b);
}

function windowSources(layer, unit, first, count) {
  const { row, column } = placeOf(layer.out, unit);
  const sources = [];
  eachCell(layer, row, column, (i, j, cell) => {
    if (cell < 0) return;
    for (let k = first; k < first + count; k++) sources.push(cell * layer.in[2] + k);
  });
  return sources;
}

function softmaxSources(layer, unit) {
  const classes = layer.out.at(-1);
  const start = unit - (unit % classes);
  return Array.from({ length: classes }, (_, i) => start + i);
}
