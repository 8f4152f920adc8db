// How far two computations of y may be apart.

import { convolve, largest, mean, multiplied, normalisation, pool } from "./forward.js";
import { exampleNormTolerances } from "./example_norm.js";
import { isJoin, joinTolerances } from "./joins.js";
import { rearranged } from "./rearranging.js";
import { convolveTransposed } from "./transposed.js";

// The tolerance for two computations of y from the inputs `xs`, unit by unit: 1e-5 times the sum of
// the magnitudes of the terms, at least 1e-5. Layers without sums (activation, pooling, ...) pass the
// tolerances of the inputs, `befores`, on.
export function tolerances(layer, xs, befores = xs.map((x) => new Float64Array(x.length))) {
  if (isJoin(layer)) return joinTolerances(layer, xs, befores);
  return TOLERANCES[layer.kind](layer, xs[0], befores[0]);
}

const TOLERANCES = {
  conv: (layer, x) => {
    const { kernel, bias } = layer.arrays;
    return allowed(convolve(layer, sizes(x), sizes(kernel.data), bias && sizes(bias.data)));
  },
  dense: (layer, x) => {
    const { kernel, bias } = layer.arrays;
    return allowed(multiplied(layer, sizes(x), sizes(kernel.data), bias && sizes(bias.data)));
  },
  batch_norm: (layer, x, before) => {
    const { mean: means, factor } = normalisation(layer);
    const { offset } = layer.arrays;
    return x.map((v, i) => {
      const k = i % factor.length;
      const terms = (Math.abs(v) + Math.abs(means[k])) * Math.abs(factor[k]) +
        (offset ? Math.abs(offset.data[k]) : 0);
      return Math.max(1e-5 * Math.max(1, terms), before[i] * Math.abs(factor[k]));
    });
  },
  max_pool: (layer, x, before) => passed(pool(layer, before, largest), pool(layer, x, largest)),
  average_pool: (layer, x, before) =>
    passed(pool(layer, before, mean), pool(layer, sizes(x), mean)),
  activation: (layer, x, before) => passed(before, x),
  flatten: (layer, x, before) => passed(before, x),
  reshape: (layer, x, before) => passed(before, x),
  dropout: (layer, x, before) => passed(before, x),
  spatial_dropout: (layer, x, before) => passed(before, x),
  stochastic_depth: (layer, x, before) => passed(before, x),
  softmax: (layer, x, before) => x.map(() => Math.max(1e-5, ...before)),
  conv_transpose: (layer, x) => {
    const { kernel, bias } = layer.arrays;
    return allowed(convolveTransposed(layer, sizes(x), sizes(kernel.data), bias && sizes(bias.data)));
  },
  layer_norm: exampleNormTolerances,
  group_norm: exampleNormTolerances,
  zero_pad: (layer, x, before) => passed(rearranged(layer, before), rearranged(layer, x)),
  crop: (layer, x, before) => passed(rearranged(layer, before), rearranged(layer, x)),
  upsample: (layer, x, before) => passed(rearranged(layer, before), rearranged(layer, sizes(x))),
};

function sizes(numbers) {
  const found = new Float64Array(numbers); // several times faster than Float64Array.from(numbers, Math.abs)
  for (let i = 0; i < found.length; i++) found[i] = Math.abs(found[i]);
  return found;
}

function allowed(terms) {
  return terms.map((sum) => 1e-5 * Math.max(1, sum));
}

function passed(before, numbers) {
  return numbers.map((v, i) => Math.max(1e-5 * Math.max(1, Math.abs(v)), before[i]));
}
