// Layers that only move numbers within each channel, rows and columns apart: zero padding, cropping
// and upsampling. Each output cell is a weighted sum of at most 2 x 2 input cells.

import { sizeOf } from "./shapes.js";

const TAPS = {
  zero_pad: ({ padding, in: size }, axis, at) => {
    const cell = at - padding[axis][0];
    return cell >= 0 && cell < size[axis] ? [[cell, 1]] : [];
  },
  crop: ({ cropping }, axis, at) => [[at + cropping[axis][0], 1]],
  upsample: ({ interpolation, size, in: shape }, axis, at) => {
    const cell = Math.floor(at / size[axis]);
    const offset = (at - cell * size[axis] + 0.5) / size[axis] - 0.5;
    // Beyond the outermost centres the edge is repeated.
    const beside = Math.max(0, Math.min(shape[axis] - 1, cell + Math.sign(offset)));
    if (interpolation === "nearest" || beside === cell) return [[cell, 1]];
    const taps = [[cell, 1 - Math.abs(offset)], [beside, Math.abs(offset)]];
    return beside < cell ? taps.reverse() : taps;
  },
};

export function isRearranging(layer) {
  return layer.kind in TAPS;
}

// The input rows (axis 0) or columns that one of the output reads: [[cell, weight], ...], ascending.
export function tapsOf(layer, axis, at) {
  return TAPS[layer.kind](layer, axis, at);
}

export function rearranged(layer, x) {
  const [height, width, channels] = layer.out;
  const y = new Float64Array(sizeOf(layer.out));
  const across = Array.from({ length: width }, (_, c) => tapsOf(layer, 1, c));
  for (let r = 0; r < height; r++) {
    for (const [row, down] of tapsOf(layer, 0, r)) {
      for (let c = 0; c < width; c++) {
        const to = (r * width + c) * channels;
        for (const [column, right] of across[c]) {
          const from = (row * layer.in[1] + column) * channels;
          for (let k = 0; k < channels; k++) y[to + k] += down * right * x[from + k];
        }
      }
    }
  }
  return y;
}

// The terms of the unit at (row, column, channel), in the order of the sum above.
export function rearrangedTerms(layer, x, { row, column, channel }) {
  return tapsOf(layer, 0, row).flatMap(([r, down]) =>
    tapsOf(layer, 1, column).map(([c, right]) => {
      const source = (r * layer.in[1] + c) * layer.in[2] + channel;
      return { source, row: r, column: c, weight: down * right, value: x[source], product: down * right * x[source] };
    }));
}

// The box that a box of the output reads.
export function rearrangedField(layer, box) {
  const [rows, columns] = [box.rows, box.columns].map((cells, axis) => {
    const found = new Set(cells.flatMap((at) => tapsOf(layer, axis, at).map(([cell]) => cell)));
    return [...found].sort((a, b) => a - b);
  });
  const reach = box.reach && box.reach.map((ends, axis) => reachUnder(layer, axis, ends));
  return { rows, columns, channels: box.channels, reach };
}

// The output rows or columns that read from these of the input, ends exclusive.
export function rearrangedEnds(layer, axis, [first, end]) {
  const reads = (at) => tapsOf(layer, axis, at).some(([cell]) => cell >= first && cell < end);
  let from = 0;
  while (from < layer.out[axis] && !reads(from)) from++;
  let to = layer.out[axis];
  while (to > from && !reads(to - 1)) to--;
  return [from, to];
}

// Without clipping at the edges of the input. Cells outside a cropped map were never there, so what
// would lie beyond the edge is not followed further.
function reachUnder(layer, axis, [first, last]) {
  if (layer.kind === "zero_pad") return [first, last].map((at) => at - layer.padding[axis][0]);
  const size = layer.out[axis];
  const inside = [first, last].map((at) => Math.max(0, Math.min(size - 1, at)));
  const [low, high] = inside.map((at) => tapsOf(layer, axis, at));
  if (layer.kind === "crop") return [low[0][0], high.at(-1)[0]];
  const beyond = (at) => Math.floor(at / layer.size[axis]);
  return [first < 0 ? beyond(first) : low[0][0], last >= size ? beyond(last) : high.at(-1)[0]];
}
