// Layers that join branches: add, multiply, divide and concatenate. All but a concatenation have two
// operands, of which the second may be a constant of the model; an axis of size 1 is repeated.

import { placeOf, sizeOf, unitAt, upTo, volumeOf } from "./shapes.js";

const JOINED = {
  add: (a, b) => a + b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
};

export function isJoin(layer) {
  return layer.kind in JOINED || layer.kind === "concatenate";
}

// y of the inputs `xs`.
export function joinOf(layer, xs) {
  if (layer.kind === "concatenate") return concatenated(layer, xs);
  const [a, b] = operandsOf(layer, xs);
  return a.map((value, i) => JOINED[layer.kind](value, b[i]));
}

// For each input, the indices that the unit reads there.
export function joinSources(layer, unit) {
  if (layer.kind === "concatenate") {
    const found = inputOfConcatenation(layer, unit);
    return layer.ins.map((_, input) => (input === found.input ? [found.source] : []));
  }
  return layer.ins.map((shape) => [repeatedFrom(shape, layer.out, unit)]);
}

// The operands of a unit, [{input, source, value}]; the constant has input null.
export function joinTerms(layer, xs, unit) {
  const terms = joinSources(layer, unit).flatMap((sources, input) =>
    sources.map((source) => ({ input, source, value: xs[input][source] })));
  const { constant } = layer.arrays;
  if (!constant) return terms;
  const source = repeatedFrom(constant.shape, layer.out, unit);
  return [...terms, { input: null, source, value: constant.data[source] }];
}

// The input and its index that a unit of a concatenation is a copy of.
export function inputOfConcatenation(layer, unit) {
  const { row, column, channel } = placeOf(layer.out, unit);
  const starts = channelStarts(layer);
  const input = starts.findLastIndex((start) => start <= channel);
  return { input, source: unitAt(layer.ins[input], row, column, channel - starts[input]) };
}

// The first channel of each input of a concatenation.
export function channelStarts(layer) {
  let next = 0;
  return layer.ins.map((shape) => (next += shape.at(-1)) - shape.at(-1));
}

// Tolerances, by the rules of errors of sums, products and quotients.
export function joinTolerances(layer, xs, befores) {
  if (layer.kind === "concatenate") {
    return concatenated(layer, befores).map((before) => Math.max(1e-5, before));
  }
  const [a, b] = operandsOf(layer, xs);
  const none = layer.arrays.constant && new Float64Array(layer.arrays.constant.data.length);
  const [da, db] = operandsOf(layer, befores, none);
  const errors = {
    add: (i) => [Math.abs(a[i]) + Math.abs(b[i]), da[i] + db[i]],
    multiply: (i) => [Math.abs(a[i] * b[i]), Math.abs(a[i]) * db[i] + Math.abs(b[i]) * da[i]],
    divide: (i) => [Math.abs(a[i] / b[i]), (da[i] + Math.abs(a[i] / b[i]) * db[i]) / Math.abs(b[i])],
  }[layer.kind];
  return a.map((_, i) => {
    const [size, passedOn] = errors(i);
    return Math.max(1e-5 * Math.max(1, size), passedOn);
  });
}

// For each input, the boxes {rows, columns, channels, reach} that a box of the output reads.
export function joinFields(layer, box) {
  if (layer.kind === "concatenate") {
    return layer.ins.map((shape, input) => {
      const [start, count] = [channelStarts(layer)[input], shape.at(-1)];
      const channels = box.channels.filter((k) => k >= start && k < start + count).map((k) => k - start);
      return channels.length > 0 ? [{ ...box, channels }] : [];
    });
  }
  const out = volumeOf(layer.out);
  return layer.ins.map((shape) => {
    const single = volumeOf(shape).map((size, axis) => size === 1 && out[axis] > 1);
    const [rows, columns, channels] = [box.rows, box.columns, box.channels]
      .map((list, axis) => (single[axis] && list.length > 0 ? [0] : list));
    const reach = box.reach && box.reach.map((ends, axis) => (single[axis] ? [0, 0] : ends));
    return [{ rows, columns, channels, reach }];
  });
}

// The layer and its inputs for a part of the output, [[top, bottom], [left, right]].
export function partOfJoin(layer, xs, area, crop) {
  const areas = layer.ins.map((shape) => area.map((ends, axis) => (shape[axis] === 1 ? [0, 1] : ends)));
  const sized = (shape, [rows, columns]) => [rows[1] - rows[0], columns[1] - columns[0], shape[2]];
  const { constant } = layer.arrays;
  const part = { ...layer, ins: layer.ins.map((shape, k) => sized(shape, areas[k])), out: sized(layer.out, area) };
  if (constant) {
    const spread = repeatedTo(constant.data, constant.shape, layer.out);
    part.arrays = { constant: { data: crop(spread, layer.out, area), shape: part.out } };
  }
  return { layer: part, xs: xs.map((x, k) => crop(x, layer.ins[k], areas[k])) };
}

function concatenated(layer, xs) {
  const channels = layer.out.at(-1);
  const y = new Float64Array(sizeOf(layer.out));
  channelStarts(layer).forEach((start, input) => {
    const count = layer.ins[input].at(-1);
    for (let i = 0; i < xs[input].length; i++) {
      y[Math.floor(i / count) * channels + start + (i % count)] = xs[input][i];
    }
  });
  return y;
}

export function operandsOf(layer, xs, given = layer.arrays.constant?.data) {
  const operands = xs.map((x, input) => repeatedTo(x, layer.ins[input], layer.out));
  if (given) operands.push(repeatedTo(Float64Array.from(given), layer.arrays.constant.shape, layer.out));
  return operands;
}

function repeatedTo(x, shape, out) {
  if (x.length === sizeOf(out)) return x;
  return Float64Array.from(upTo(sizeOf(out)), (unit) => x[repeatedFrom(shape, out, unit)]);
}

// The index in an array of `shape` that is repeated to `unit` of the output.
export function repeatedFrom(shape, out, unit) {
  const { row, column, channel } = placeOf(out, unit);
  const [height, width, channels] = volumeOf(shape);
  return ((height === 1 ? 0 : row) * width + (width === 1 ? 0 : column)) * channels + (channels === 1 ? 0 : channel);
}
