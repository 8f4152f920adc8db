// The backward pass of layers that join branches, move numbers, or normalise over the example.

import { momentsOf, setOf } from "./example_norm.js";
import { channelStarts, operandsOf, repeatedFrom } from "./joins.js";
import { tapsOf } from "./rearranging.js";
import { sizeOf } from "./shapes.js";

// dy/da and dy/db of an operation with the operands a and b.
const PARTIAL = {
  add: [() => 1, () => 1],
  multiply: [(a, b) => b, (a) => a],
  divide: [(a, b) => 1 / b, (a, b) => -a / (b * b)],
};

// For each input, the derivatives; those of a repeated number are summed.
export function joinBack(layer, gradient, xs) {
  if (layer.kind === "concatenate") return separated(layer, gradient);
  const [a, b] = operandsOf(layer, xs);
  return layer.ins.map((shape, input) => {
    const partial = PARTIAL[layer.kind][input];
    const back = new Float64Array(sizeOf(shape));
    const whole = back.length === gradient.length;
    gradient.forEach((value, unit) => {
      back[whole ? unit : repeatedFrom(shape, layer.out, unit)] += value * partial(a[unit], b[unit]);
    });
    return back;
  });
}

function separated(layer, gradient) {
  const channels = layer.out.at(-1);
  const starts = channelStarts(layer);
  return layer.ins.map((shape, input) => {
    const count = shape.at(-1);
    return Float64Array.from({ length: sizeOf(shape) }, (_, i) =>
      gradient[Math.floor(i / count) * channels + starts[input] + (i % count)]);
  });
}

export function rearrangedBack(layer, gradient) {
  const [height, width, channels] = layer.out;
  const back = new Float64Array(sizeOf(layer.in));
  const across = Array.from({ length: width }, (_, c) => tapsOf(layer, 1, c));
  for (let r = 0; r < height; r++) {
    for (const [row, down] of tapsOf(layer, 0, r)) {
      for (let c = 0; c < width; c++) {
        const at = (r * width + c) * channels;
        for (const [column, right] of across[c]) {
          const to = (row * layer.in[1] + column) * channels;
          for (let k = 0; k < channels; k++) back[to + k] += down * right * gradient[at + k];
        }
      }
    }
  }
  return back;
}

// (h - mean(h) - n mean(h n)) / deviation, where n is the normalised x and h the gradient by n (Ba,
// Kiros and Hinton, "Layer Normalization", 2016); means are over each set of units.
export function exampleNormBack(layer, gradient, x) {
  const { mean, variance, count, channels } = momentsOf(layer, x);
  const scale = layer.arrays.scale?.data;
  const deviations = variance.map((value) => Math.sqrt(value + layer.epsilon));
  const inner = gradient.map((value, unit) => value * (scale ? scale[unit % channels] : 1));
  const sets = Int32Array.from(x, (_, unit) => setOf(layer, unit));
  const normal = x.map((value, unit) => (value - mean[sets[unit]]) / deviations[sets[unit]]);
  const [means, products] = [new Float64Array(mean.length), new Float64Array(mean.length)];
  inner.forEach((value, unit) => {
    means[sets[unit]] += value / count;
    products[sets[unit]] += (value * normal[unit]) / count;
  });
  return inner.map((value, unit) => {
    const set = sets[unit];
    return (value - means[set] - normal[unit] * products[set]) / deviations[set];
  });
}
