// The transposed convolution: each number of x times the kernel is added to a window of the output,
// y[s o + d i - p] += x[o] kernel[i], with stride s, dilation d and padding p.

import { placeOf, sizeOf } from "./shapes.js";

// The input rows (axis 0) or columns that one of the output reads, and where in the kernel:
// [[cell, tap], ...], ascending by tap.
export function cellsOver(layer, axis, at) {
  const taps = layer.arrays.kernel.shape[axis];
  const found = [];
  for (let tap = 0; tap < taps; tap++) {
    const spread = at + layer.padding[axis][0] - tap * layer.dilation[axis];
    const cell = spread / layer.stride[axis];
    if (Number.isInteger(cell) && cell >= 0 && cell < layer.in[axis]) found.push([cell, tap]);
  }
  return found;
}

export function convolveTransposed(layer, x, kernel, bias) {
  const [height, width, filters] = layer.out;
  const [, columns, perFilter, channels] = layer.arrays.kernel.shape;
  const perGroup = channels / layer.groups;
  const y = new Float64Array(sizeOf(layer.out));
  const across = Array.from({ length: width }, (_, c) => cellsOver(layer, 1, c));
  for (let r = 0; r < height; r++) {
    const down = cellsOver(layer, 0, r);
    for (let c = 0; c < width; c++) {
      const to = (r * width + c) * filters;
      for (const [row, i] of down) {
        for (const [column, j] of across[c]) {
          const from = (row * layer.in[1] + column) * channels;
          for (let o = 0; o < filters; o++) {
            const first = Math.floor(o / perFilter) * perGroup;
            const weights = ((i * columns + j) * perFilter + (o % perFilter)) * channels;
            for (let k = first; k < first + perGroup; k++) y[to + o] += x[from + k] * kernel[weights + k];
          }
        }
      }
      if (bias) for (let o = 0; o < filters; o++) y[to + o] += bias[o];
    }
  }
  return y;
}

// The terms of one unit, as those of a convolution, in the order of the sum above.
export function transposedTerms(layer, x, unit) {
  const { kernel, bias } = layer.arrays;
  const [, columns, perFilter, channels] = kernel.shape;
  const { row, column, channel: filter } = placeOf(layer.out, unit);
  const perGroup = channels / layer.groups;
  const first = Math.floor(filter / perFilter) * perGroup;
  const terms = [];
  let sum = 0;
  for (const [r, i] of cellsOver(layer, 0, row)) {
    for (const [c, j] of cellsOver(layer, 1, column)) {
      for (let k = first; k < first + perGroup; k++) {
        const source = (r * layer.in[1] + c) * channels + k;
        const at = ((i * columns + j) * perFilter + (filter % perFilter)) * channels + k;
        const [weight, value] = [kernel.data[at], x[source]];
        sum += value * weight;
        terms.push({ source, row: i, column: j, channel: k, weight, value, product: value * weight, at });
      }
    }
  }
  const added = bias ? bias.data[filter] : 0;
  return { terms, bias: added, result: sum + added };
}

// The box that a box of the output reads.
export function transposedField(layer, box) {
  const [, , perFilter, channels] = layer.arrays.kernel.shape;
  const perGroup = channels / layer.groups;
  const [rows, columns] = [box.rows, box.columns].map((cells, axis) => {
    const found = new Set(cells.flatMap((at) => cellsOver(layer, axis, at).map(([cell]) => cell)));
    return [...found].sort((a, b) => a - b);
  });
  const groups = new Set(box.channels.map((filter) => Math.floor(filter / perFilter)));
  const read = Array.from({ length: channels }, (_, k) => k).filter((k) => groups.has(Math.floor(k / perGroup)));
  const reach = box.reach && box.reach.map(([first, last], axis) => {
    const [stride, before] = [layer.stride[axis], layer.padding[axis][0]];
    const span = (layer.arrays.kernel.shape[axis] - 1) * layer.dilation[axis];
    return [Math.ceil((first + before - span) / stride), Math.floor((last + before) / stride)];
  });
  return { rows, columns, channels: read, reach };
}

// The output rows or columns that read from these of the input, ends exclusive.
export function transposedEnds(layer, axis, [first, end]) {
  const [stride, before] = [layer.stride[axis], layer.padding[axis][0]];
  const span = (layer.arrays.kernel.shape[axis] - 1) * layer.dilation[axis];
  return [Math.max(0, first * stride - before), Math.min(layer.out[axis], (end - 1) * stride - before + span + 1)];
}
