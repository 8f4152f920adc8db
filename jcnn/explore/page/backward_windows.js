// The backward pass of layers with a window: convolution, transposed convolution and pooling.

import { eachWindow } from "./forward.js";
import { sizeOf } from "./shapes.js";
import { cellsOver } from "./transposed.js";

export function convolveBack(layer, gradient) {
  const [height, width, channels] = layer.in;
  const [outHeight, outWidth, filters] = layer.out;
  const [rows, columns, perGroup] = layer.arrays.kernel.shape;
  const [[top], [left]] = layer.padding;
  const filtersPerGroup = filters / layer.groups;
  const kernel = byFilter(layer.arrays.kernel);
  // Behind a relu and a max pooling most numbers are zero.
  const skipsZeros = kernel.every(Number.isFinite);
  const back = new Float64Array(sizeOf(layer.in));
  for (let r = 0; r < outHeight; r++) {
    for (let c = 0; c < outWidth; c++) {
      const at = (r * outWidth + c) * filters;
      for (let o = 0; o < filters; o++) {
        const value = gradient[at + o];
        if (value === 0 && skipsZeros) continue;
        const first = Math.floor(o / filtersPerGroup) * perGroup;
        for (let i = 0; i < rows; i++) {
          const row = r * layer.stride[0] - top + i * layer.dilation[0];
          if (row < 0 || row >= height) continue;
          for (let j = 0; j < columns; j++) {
            const column = c * layer.stride[1] - left + j * layer.dilation[1];
            if (column < 0 || column >= width) continue;
            const to = (row * width + column) * channels + first;
            const weights = ((o * rows + i) * columns + j) * perGroup;
            for (let k = 0; k < perGroup; k++) back[to + k] += value * kernel[weights + k];
          }
        }
      }
    }
  }
  return back;
}

// The kernel (I, J, K, O) as (O, I, J, K), so that the innermost loop reads neighbours.
function byFilter({ data, shape }) {
  const filters = shape[3];
  const taps = data.length / filters;
  return Float64Array.from(data, (_, i) => data[(i % taps) * filters + Math.floor(i / taps)]);
}

export function convolveTransposedBack(layer, gradient) {
  const [height, width, filters] = layer.out;
  const { data: kernel, shape: [, columns, perFilter, channels] } = layer.arrays.kernel;
  const perGroup = channels / layer.groups;
  const back = new Float64Array(sizeOf(layer.in));
  const across = Array.from({ length: width }, (_, c) => cellsOver(layer, 1, c));
  for (let r = 0; r < height; r++) {
    for (const [row, i] of cellsOver(layer, 0, r)) {
      for (let c = 0; c < width; c++) {
        const at = (r * width + c) * filters;
        for (const [column, j] of across[c]) {
          const to = (row * layer.in[1] + column) * channels;
          for (let o = 0; o < filters; o++) {
            const first = Math.floor(o / perFilter) * perGroup;
            const weights = ((i * columns + j) * perFilter + (o % perFilter)) * channels;
            for (let k = first; k < first + perGroup; k++) back[to + k] += gradient[at + o] * kernel[weights + k];
          }
        }
      }
    }
  }
  return back;
}

// `share(back, x, cells, channels, k, value)` gives the derivative of one output to its cells.
export function poolBack(layer, gradient, x, share) {
  const channels = layer.in[2];
  const back = new Float64Array(sizeOf(layer.in));
  eachWindow(layer, (cells, at) => {
    for (let k = 0; k < channels; k++) share(back, x, cells, channels, k, gradient[at + k]);
  });
  return back;
}

// Of equal cells the first one takes it.
export function winnerBack(back, x, cells, channels, k, value) {
  let winner = cells[0];
  for (const cell of cells) {
    const here = x[cell * channels + k];
    if (here > x[winner * channels + k] || Number.isNaN(here)) winner = cell;
  }
  back[winner * channels + k] += value;
}

export function meanBack(back, x, cells, channels, k, value) {
  for (const cell of cells) back[cell * channels + k] += value / cells.length;
}
