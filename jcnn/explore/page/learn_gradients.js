// The derivatives of one example's loss by the parameters, added to `sums`, and by the layer's input.
// Behind a relu and a max pooling most numbers are zero, and these are skipped.

import { sizeOf } from "./shapes.js";

// Of a convolution: `kernel` and `sums` are (O, I, J, K), so that the innermost loop reads neighbours.
// Returns the derivatives by x, or null unless `needed`.
export function convolveLearn(layer, x, gradient, kernel, sums, biasSums, needed) {
  const [height, width, channels] = layer.in;
  const [outHeight, outWidth, filters] = layer.out;
  const [rows, columns, perGroup] = layer.arrays.kernel.shape;
  const [[top], [left]] = layer.padding;
  const [[downStride, rightStride], [downStep, rightStep]] = [layer.stride, layer.dilation];
  const filtersPerGroup = filters / layer.groups;
  const back = needed ? new Float64Array(sizeOf(layer.in)) : null;
  for (let r = 0; r < outHeight; r++) {
    const firstRow = r * downStride - top;
    for (let c = 0; c < outWidth; c++) {
      const firstColumn = c * rightStride - left;
      const at = (r * outWidth + c) * filters;
      for (let o = 0; o < filters; o++) {
        const value = gradient[at + o];
        if (value === 0) continue;
        if (biasSums) biasSums[o] += value;
        const first = Math.floor(o / filtersPerGroup) * perGroup;
        for (let i = 0; i < rows; i++) {
          const row = firstRow + i * downStep;
          if (row < 0 || row >= height) continue;
          for (let j = 0; j < columns; j++) {
            const column = firstColumn + j * rightStep;
            if (column < 0 || column >= width) continue;
            const from = (row * width + column) * channels + first;
            const weights = ((o * rows + i) * columns + j) * perGroup;
            if (back === null) {
              for (let k = 0; k < perGroup; k++) sums[weights + k] += value * x[from + k];
            } else {
              for (let k = 0; k < perGroup; k++) {
                sums[weights + k] += value * x[from + k];
                back[from + k] += value * kernel[weights + k];
              }
            }
          }
        }
      }
    }
  }
  return back;
}

// Of a dense layer, with kernel and sums as (D, U).
export function denseLearn(layer, x, gradient, kernel, sums, biasSums, needed) {
  const units = gradient.length;
  const back = needed ? new Float64Array(x.length) : null;
  if (biasSums) for (let u = 0; u < units; u++) biasSums[u] += gradient[u];
  for (let d = 0; d < x.length; d++) {
    const value = x[d];
    const at = d * units;
    if (value !== 0) for (let u = 0; u < units; u++) sums[at + u] += value * gradient[u];
    if (back === null) continue;
    let sum = 0;
    for (let u = 0; u < units; u++) sum += gradient[u] * kernel[at + u];
    back[d] = sum;
  }
  return back;
}

// A kernel (I, J, K, O) as (O, I, J, K), written to `to`; and back.
export function toFilters(from, filters, to) {
  const taps = from.length / filters;
  for (let o = 0; o < filters; o++) for (let t = 0; t < taps; t++) to[o * taps + t] = from[t * filters + o];
}

export function fromFilters(from, filters, to) {
  const taps = from.length / filters;
  for (let t = 0; t < taps; t++) for (let o = 0; o < filters; o++) to[t * filters + o] = from[o * taps + t];
}
