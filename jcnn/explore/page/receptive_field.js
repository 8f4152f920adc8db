// The receptive field of a unit, traced back through the layers by their settings, not their
// weights.

import { exampleNormField } from "./example_norm.js";
import { fieldOfBoxes, withoutRepeats } from "./field_boxes.js";
import { windowOf } from "./forward.js";
import { isJoin, joinFields } from "./joins.js";
import { rearrangedField } from "./rearranging.js";
import { placeOf, upTo, volumeOf } from "./shapes.js";
import { transposedField } from "./transposed.js";

// fields[i]: the part of outputs[i] that a unit of layer `index` depends on, for i from 0 (the
// picture) to index + 1 (the unit itself); null where it does not depend on outputs[i]. A window reads
// a box, a product of rows, columns and channels; where branches join, a field is the union of several
// boxes (see `fieldOfBoxes`). The `reach` of a box is the box without clipping at the edges,
// [[top, bottom], [left, right]]; null from a dense layer on.
export function receptiveFields(layers, index, unit) {
  const boxes = Array.from({ length: index + 2 }, () => []);
  boxes[index + 1].push(pointField(layers[index].out, unit));
  for (let i = index; i >= 0; i--) {
    boxes[i + 1] = withoutRepeats(boxes[i + 1]);
    for (const box of boxes[i + 1]) {
      boxesByInput(layers[i], box).forEach((found, k) => boxes[layers[i].inputs[k]].push(...found));
    }
  }
  boxes[0] = withoutRepeats(boxes[0]);
  return boxes.map((found) => (found.length > 0 ? fieldOfBoxes(found) : null));
}

// For each input of a layer, the boxes that a box of its output reads.
function boxesByInput(layer, box) {
  if (isJoin(layer)) return joinFields(layer, box);
  return [[FIELDS[layer.kind](layer, box)].flat()];
}

const FIELDS = {
  conv: (layer, field) => windowField(layer, field, channelsOfGroups(layer, field.channels)),
  max_pool: (layer, field) => windowField(layer, field, field.channels),
  average_pool: (layer, field) => windowField(layer, field, field.channels),
  dense: (layer) => wholeField(layer.in),
  flatten: (layer, field) =>
    field.channels.length === layer.out[0] && layer.out[0] > 1 ? wholeField(layer.in)
      : field.channels.map((unit) => pointField(layer.in, unit)),
  activation: (layer, field) => (layer.function === "softmax" ? allChannels(layer, field) : field),
  reshape: (layer, field) => field,
  dropout: (layer, field) => field,
  spatial_dropout: (layer, field) => field,
  stochastic_depth: (layer, field) => field,
  batch_norm: (layer, field) => field,
  softmax: (layer, field) => allChannels(layer, field),
  conv_transpose: transposedField,
  layer_norm: exampleNormField,
  group_norm: exampleNormField,
  zero_pad: rearrangedField,
  crop: rearrangedField,
  upsample: rearrangedField,
};

function pointField(shape, unit) {
  const { row, column, channel } = placeOf(shape, unit);
  return { rows: [row], columns: [column], channels: [channel], reach: [[row, row], [column, column]] };
}

function wholeField(shape) {
  const [height, width, channels] = volumeOf(shape);
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
