// The receptive field of a unit, traced back through the layers by their settings, not their
// weights.

import { sizeOf, windowOf } from "./forward.js";
import { placeOf } from "./terms.js";

// fields[i]: the part of outputs[i] that a unit of layer `index` depends on, for i from 0 (the
// picture) to index + 1 (the unit itself). A field is {rows, columns, channels, reach} with three
// ascending lists of indices. It is exactly their product, because a window reads a product of rows
// and columns that depend only on the row and the column of the unit. `reach` is the field without
// clipping at the edges, [[top, bottom], [left, right]]; null from a dense layer on.
export function receptiveFields(layers, index, unit) {
  const fields = [];
  fields[index + 1] = pointField(layers[index].out, unit);
  for (let i = index; i >= 0; i--) fields[i] = FIELDS[layers[i].kind](layers[i], fields[i + 1]);
  return fields;
}

// Whether a field has gaps, as with dilation.
export function hasGaps({ rows, columns }) {
  return [rows, columns].some((axis) => axis.length > 0 && axis.at(-1) - axis[0] >= axis.length);
}

// Whether the field is clipped at the edge of the picture.
export function isCut({ rows, columns, reach }) {
  if (reach === null || rows.length * columns.length === 0) return false;
  return [rows, columns].some((axis, i) => reach[i][0] < axis[0] || reach[i][1] > axis.at(-1));
}

// Runs of consecutive indices as [first, length].
export function runsOf(numbers) {
  const runs = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last && last[0] + last[1] === number) last[1]++;
    else runs.push([number, 1]);
  }
  return runs;
}

const FIELDS = {
  conv: (layer, field) => windowField(layer, field, channelsOfGroups(layer, field.channels)),
  max_pool: (layer, field) => windowField(layer, field, field.channels),
  average_pool: (layer, field) => windowField(layer, field, field.channels),
  dense: (layer) => wholeField(layer.in),
  // The next layer reads one unit of it, or all units after a dense layer or a softmax.
  flatten: (layer, field) =>
    field.channels.length === 1 ? pointField(layer.in, field.channels[0]) : wholeField(layer.in),
  activation: (layer, field) => (layer.function === "softmax" ? allChannels(layer, field) : field),
  dropout: (layer, field) => field,
  batch_norm: (layer, field) => field,
  softmax: (layer, field) => allChannels(layer, field),
};

function pointField(shape, unit) {
  const { row, column, channel } = placeOf(shape, unit);
  return { rows: [row], columns: [column], channels: [channel], reach: [[row, row], [column, column]] };
}

function wholeField(shape) {
  const [height, width, channels] = shape.length === 3 ? shape : [1, 1, sizeOf(shape)];
  return { rows: upTo(height), columns: upTo(width), channels: upTo(channels), reach: null };
}

function allChannels(layer, field) {
  const channels = upTo(layer.out.at(-1));
  return layer.out.length === 3 ? { ...field, channels } : { ...field, channels, reach: null };
}

function windowField(layer, field, channels) {
  const [rows, columns] = [field.rows, field.columns].map((cells, axis) => cellsUnder(layer, axis, cells));
  const reach = field.reach && field.reach.map((ends, axis) => {
    const { first, last } = spanUnder(layer, axis);
    return [first(ends[0]), last(ends[1])];
  });
  return { rows, columns, channels, reach };
}

// Rows (axis 0) or columns of the input under the windows at `cells` of the output.
function cellsUnder(layer, axis, cells) {
  const { first, last, step } = spanUnder(layer, axis);
  const found = new Set();
  for (const cell of cells) {
    for (let at = first(cell); at <= last(cell); at += step) {
      if (at >= 0 && at < layer.in[axis]) found.add(at);
    }
  }
  return [...found].sort((a, b) => a - b);
}

function spanUnder(layer, axis) {
  const step = layer.dilation?.[axis] ?? 1;
  const first = (cell) => cell * layer.stride[axis] - layer.padding[axis][0];
  return { first, last: (cell) => first(cell) + (windowOf(layer)[axis] - 1) * step, step };
}

// The input channels of the groups of these filters.
function channelsOfGroups(layer, chosen) {
  const [, , perGroup, filters] = layer.arrays.kernel.shape;
  const groups = new Set(chosen.map((filter) => Math.floor(filter / (filters / layer.groups))));
  return [...groups].sort((a, b) => a - b).flatMap((group) => upTo(perGroup).map((k) => group * perGroup + k));
}

function upTo(count) {
  return Array.from({ length: count }, (_, i) => i);
}
