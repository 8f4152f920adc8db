// The forward pass in float64, which computes every number on the page.
// Arrays are flat, rows first, channel last; nothing is rounded between layers.

import { convolveTransposed } from "./transposed.js";
import { exampleNormalised } from "./example_norm.js";
import { joinOf } from "./joins.js";
import { rearranged } from "./rearranging.js";
import { sizeOf } from "./shapes.js";
import { convolveFew, convolveTiles, TILE } from "./convolve.js";

// y of one layer, a new Float64Array. A layer that joins branches has several inputs.
export function runLayer(layer, ...xs) {
  return FORWARD[layer.kind](layer, ...xs);
}

// Run layers[first] and what depends on it: outputs[i + 1] is that of layers[i], whose `inputs` are
// indices of outputs. What is not computed yet is computed, too.
export function runFrom(layers, outputs, first) {
  const renewed = new Set();
  for (let i = first; i < layers.length; i++) {
    const { inputs } = layers[i];
    if (i > first && outputs[i + 1] !== undefined && !inputs.some((one) => renewed.has(one))) continue;
    outputs[i + 1] = runLayer(layers[i], ...inputs.map((one) => outputs[one]));
    renewed.add(i + 1);
  }
}

// Call visit(i, j, cell) for each kernel position (i, j) of the window at (r, c); `cell` is the index
// row * width + column in the input, or -1 in the padding.
export function eachCell(layer, r, c, visit) {
  const [height, width] = layer.in;
  const [rows, columns] = windowOf(layer);
  const [down, right] = layer.dilation ?? [1, 1];
  for (let i = 0; i < rows; i++) {
    const row = r * layer.stride[0] - layer.padding[0][0] + i * down;
    for (let j = 0; j < columns; j++) {
      const column = c * layer.stride[1] - layer.padding[1][0] + j * right;
      const inside = row >= 0 && row < height && column >= 0 && column < width;
      visit(i, j, inside ? row * width + column : -1);
    }
  }
}

// Height and width of the window.
export function windowOf(layer) {
  return layer.kind === "conv" ? layer.arrays.kernel.shape.slice(0, 2) : layer.window;
}

const FORWARD = {
  conv: (layer, x) => {
    const { kernel, bias } = layer.arrays;
    return convolve(layer, x, kernel.data, bias?.data);
  },
  dense: (layer, x) => multiplied(layer, x, layer.arrays.kernel.data, layer.arrays.bias?.data),
  max_pool: (layer, x) => pool(layer, x, largest),
  average_pool: (layer, x) => pool(layer, x, mean),
  flatten: (layer, x) => Float64Array.from(x),
  reshape: (layer, x) => Float64Array.from(x),
  dropout: (layer, x) => Float64Array.from(x),
  spatial_dropout: (layer, x) => Float64Array.from(x),
  stochastic_depth: (layer, x) => Float64Array.from(x),
  activation: (layer, x) =>
    layer.function === "softmax" ? softmax(layer, x) : x.map((value) => activate(layer, value)),
  batch_norm: (layer, x) => {
    const { offset } = layer.arrays;
    const { mean: means, factor } = normalisation(layer);
    const channels = factor.length;
    return x.map((v, i) => (v - means[i % channels]) * factor[i % channels] +
      (offset ? offset.data[i % channels] : 0));
  },
  softmax: (layer, x) => softmax(layer, x),
  conv_transpose: (layer, x) => {
    const { kernel, bias } = layer.arrays;
    return convolveTransposed(layer, x, kernel.data, bias?.data);
  },
  layer_norm: exampleNormalised,
  group_norm: exampleNormalised,
  zero_pad: rearranged,
  crop: rearranged,
  upsample: rearranged,
  add: (layer, ...xs) => joinOf(layer, xs),
  multiply: (layer, ...xs) => joinOf(layer, xs),
  divide: (layer, ...xs) => joinOf(layer, xs),
  concatenate: (layer, ...xs) => joinOf(layer, xs),
};

// --- convolution and dense ------------------------------------------------------------------------

export function convolve(layer, x, kernel, bias) {
  const y = new Float64Array(sizeOf(layer.out));
  if (layer.out[2] / layer.groups < TILE / 2) convolveFew(layer, x, kernel, y);
  else convolveTiles(layer, x, kernel, y);
  const filters = layer.out[2];
  if (bias) for (let at = 0; at < y.length; at += filters) for (let o = 0; o < filters; o++) y[at + o] += bias[o];
  return y;
}

export function multiplied(layer, x, kernel, bias) {
  const [inputs] = layer.in;
  const [units] = layer.out;
  const y = new Float64Array(units);
  for (let d = 0; d < inputs; d++) {
    const value = x[d];
    for (let u = 0; u < units; u++) y[u] += value * kernel[d * units + u];
  }
  if (bias) for (let u = 0; u < units; u++) y[u] += bias[u];
  return y;
}

// --- pooling --------------------------------------------------------------------------------------

export function pool(layer, x, combine) {
  const channels = layer.in[2];
  const [outHeight, outWidth] = layer.out;
  const y = new Float64Array(outHeight * outWidth * channels);
  eachWindow(layer, (cells, to) => {
    for (let k = 0; k < channels; k++) y[to + k] = combine(x, cells, channels, k);
  });
  return y;
}

// Call `visit(cells, to)` for every window: its cells of the input, without padding, and the place of
// its first channel in the output.
export function eachWindow(layer, visit) {
  const [outHeight, outWidth, channels] = layer.out;
  const cells = [];
  for (let r = 0; r < outHeight; r++) {
    for (let c = 0; c < outWidth; c++) {
      cells.length = 0;
      eachCell(layer, r, c, (i, j, cell) => {
        if (cell >= 0) cells.push(cell);
      });
      visit(cells, (r * outWidth + c) * channels);
    }
  }
}

export function largest(x, cells, channels, k) {
  let best = -Infinity;
  for (const cell of cells) {
    const value = x[cell * channels + k];
    if (value > best || Number.isNaN(value)) best = value;
  }
  return best;
}

export function mean(x, cells, channels, k) {
  let sum = 0;
  for (const cell of cells) sum += x[cell * channels + k];
  return sum / cells.length;
}

// --- elementwise functions, and softmax -----------------------------------------------------------

// f(value) of an activation layer, except softmax.
export function activate(layer, value) {
  return FUNCTIONS[layer.function](value, layer);
}

const FUNCTIONS = {
  identity: (v) => v,
  relu: (v) => Math.max(v, 0),
  relu6: (v) => Math.min(Math.max(v, 0), 6),
  leaky_relu: (v, { slope }) => (v > 0 ? v : v * slope),
  elu: (v, { alpha = 1 }) => (v > 0 ? v : alpha * Math.expm1(v)),
  selu: (v) => 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * Math.expm1(v)),
  // 1 + erf(z) = erfc(-z) and (1 + tanh(z)) / 2 = sigmoid(2 z), without the cancellation. The bound
  // keeps -Infinity from being multiplied by zero.
  gelu: (v) => (Math.max(v, -50) / 2) * erfc(-v / Math.SQRT2),
  gelu_tanh: (v) => v * sigmoid(Math.sqrt(8 / Math.PI) * (v + 0.044715 * v ** 3)),
  sigmoid,
  tanh: (v) => Math.tanh(v),
  silu: (v) => v * sigmoid(v),
  hard_sigmoid: (v) => hardSigmoid(v),
  hard_swish: (v) => v * hardSigmoid(v),
  mish: (v) => v * Math.tanh(softplus(v)),
  softplus,
};

export function softplus(v) {
  return Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));
}

function hardSigmoid(v) {
  return Math.min(Math.max(v + 3, 0), 6) / 6;
}

export function sigmoid(v) {
  const power = Math.exp(-Math.abs(v));
  return v >= 0 ? 1 / (1 + power) : power / (1 + power);
}

// The complementary error function, to a relative error of 2e-13. Below 2 it is 1 - erf by a series
// whose terms all have one sign (Abramowitz and Stegun 7.1.6); above, the continued fraction 7.1.14.
export function erfc(v) {
  if (v < -2) return 2 - erfc(-v);
  if (v < 2) {
    let sum = 0;
    let term = v;
    for (let n = 0; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      sum += term;
      term *= (2 * v * v) / (2 * n + 3);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-v * v) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (v + fraction);
  return Math.exp(-v * v) / Math.sqrt(Math.PI) / (v + fraction);
}

// Over the last axis; subtracting the maximum keeps exp from overflowing.
function softmax(layer, x) {
  const classes = layer.out.at(-1);
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += classes) {
    let shift = -Infinity;
    for (let i = 0; i < classes; i++) shift = Math.max(shift, x[start + i]);
    let sum = 0;
    for (let i = 0; i < classes; i++) sum += y[start + i] = Math.exp(x[start + i] - shift);
    for (let i = 0; i < classes; i++) y[start + i] /= sum;
  }
  return y;
}

// Mean, and scale / sqrt(variance + epsilon), of each channel.
export function normalisation(layer) {
  const { scale, mean: means, variance } = layer.arrays;
  const factor = Float64Array.from(
    variance.data,
    (v, i) => (scale ? scale.data[i] : 1) / Math.sqrt(v + layer.epsilon),
  );
  return { mean: means.data, factor };
}
