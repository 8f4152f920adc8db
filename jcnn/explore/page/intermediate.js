// What each input channel of a convolution adds to one filter's output.

import { convolve } from "./forward.js";

// The intermediate maps, (height, width, inputs of a group): their sum over the channels and the bias
// is the filter's map. The products of a channel are added in the order of the kernel.
export function intermediateMaps(layer, x, filter) {
  const { data, shape: [rows, columns, perGroup, filters] } = layer.arrays.kernel;
  const weights = Float64Array.from({ length: rows * columns * perGroup }, (_, i) => data[i * filters + filter]);
  const [height, width] = layer.in;
  return convolve({
    ...layer,
    groups: perGroup,
    in: [height, width, perGroup],
    out: [...layer.out.slice(0, 2), perGroup],
    arrays: { kernel: { data: weights, shape: [rows, columns, 1, perGroup] } },
  }, ofGroup(layer, x, filter), weights);
}

// The first input channel that a filter reads.
export function firstInput(layer, filter) {
  return Math.floor(filter / (layer.out[2] / layer.groups)) * (layer.in[2] / layer.groups);
}

function ofGroup(layer, x, filter) {
  const [channels, perGroup] = [layer.in[2], layer.in[2] / layer.groups];
  if (layer.groups === 1) return x;
  const first = firstInput(layer, filter);
  return Float64Array.from({ length: (x.length / channels) * perGroup }, (_, i) =>
    x[Math.floor(i / perGroup) * channels + first + (i % perGroup)]);
}
