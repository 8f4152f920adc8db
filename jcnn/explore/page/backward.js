// The backward pass in float64: the derivatives of one unit by the picture and by every layer's output.
// Where a function has a corner the derivative is that of jcnn's ops: of equal maxima the first one
// takes it all, and relu has 0 at 0.

import { activationBack, softmaxBack } from "./backward_activations.js";
import { exampleNormBack, joinBack, rearrangedBack } from "./backward_joins.js";
import { convolveBack, convolveTransposedBack, meanBack, poolBack, winnerBack } from "./backward_windows.js";
import { normalisation } from "./forward.js";

// For outputs[first] to outputs[index], the derivatives of outputs[index][unit] by their numbers,
// where the unit depends on them; the other entries are undefined.
export function gradientsOf(layers, outputs, index, unit, first = 0) {
  const gradients = firstGradients(outputs, index, unit);
  for (let i = index - 1; i >= first; i--) stepBack(layers, outputs, gradients, i);
  return gradients;
}

// The derivatives by outputs[index] itself: 1 at the unit.
export function firstGradients(outputs, index, unit) {
  const gradients = Array.from({ length: index + 1 });
  gradients[index] = new Float64Array(outputs[index].length);
  gradients[index][unit] = 1;
  return gradients;
}

// Add what layer i passes on to its inputs. All layers after it come first.
export function stepBack(layers, outputs, gradients, i) {
  const gradient = gradients[i + 1];
  if (gradient === undefined) return;
  const { inputs } = layers[i];
  const parts = runBack(layers[i], inputs.map((one) => outputs[one]), outputs[i + 1], gradient);
  inputs.forEach((one, k) => {
    const sum = gradients[one];
    if (sum) parts[k].forEach((value, at) => { sum[at] += value; });
    else gradients[one] = parts[k];
  });
}

// The derivatives by each of the inputs `xs` of a layer with the output y, from those by y. All are
// new arrays.
export function runBack(layer, xs, y, gradient) {
  if (layer.kind in BACKWARD) return [BACKWARD[layer.kind](layer, gradient, xs[0], y)];
  return joinBack(layer, gradient, xs);
}

const same = (layer, gradient) => Float64Array.from(gradient);

const BACKWARD = {
  conv: convolveBack,
  conv_transpose: convolveTransposedBack,
  dense: (layer, gradient) => {
    const kernel = layer.arrays.kernel.data;
    const units = gradient.length;
    return Float64Array.from({ length: layer.in[0] }, (_, d) =>
      gradient.reduce((sum, value, u) => sum + value * kernel[d * units + u], 0));
  },
  max_pool: (layer, gradient, x) => poolBack(layer, gradient, x, winnerBack),
  average_pool: (layer, gradient, x) => poolBack(layer, gradient, x, meanBack),
  flatten: same,
  reshape: same,
  dropout: same,
  spatial_dropout: same,
  stochastic_depth: same,
  activation: activationBack,
  softmax: softmaxBack,
  batch_norm: (layer, gradient) => {
    const { factor } = normalisation(layer);
    return gradient.map((value, i) => value * factor[i % factor.length]);
  },
  layer_norm: exampleNormBack,
  group_norm: exampleNormBack,
  zero_pad: rearrangedBack,
  crop: rearrangedBack,
  upsample: rearrangedBack,
};
