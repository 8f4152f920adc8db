// The state of the playground: settings, numbers, window position, answers.

import { dropoutParts } from "./playground_run.js";
import { inputsRefused, resolveChoices } from "./playground_window.js";

// The choices that older addresses do not have.
export const MORE_CHOICES = { filters: 1, bias: false, relu: false, units: 3, rate: 0.5, seed: 0 };

// choices: {operation, size, kernel, stride, padding, dilation} and those above, perhaps invalid
// ones; inputs: one grid per channel, kernels: the same of the first filter, then of the second, ...,
// sized by the last valid choices; bias: a number per filter or unit; weights: a row for each input
// of a dense layer, a column for each unit;
// at: {row, column, channel} of an output or null; filled: outputs shown while stepping, or null;
// answers: {unit: {text, shown}} of an exercise, or null; hint: whether its products are shown.
export function playOf(example) {
  const { id, operation, kernels, stride, padding, more, weights } = example;
  const inputs = example.inputs ?? [example.input];
  const filters = kernels ?? [[example.kernel ?? [[1]]]];
  const copied = (grid) => resizedGrid(grid, grid.length, grid[0].length);
  return {
    example: id,
    choices: {
      operation,
      size: [inputs[0].length, inputs[0][0].length],
      kernel: [filters[0][0].length, filters[0][0][0].length],
      stride: Array.isArray(stride) ? stride : [stride, stride],
      padding,
      dilation: example.dilation ?? [1, 1],
      ...MORE_CHOICES,
      filters: filters.length,
      units: weights?.[0].length ?? MORE_CHOICES.units,
      ...more,
    },
    inputs: inputs.map(copied),
    kernels: filters.flat().map(copied),
    bias: [...(example.bias ?? [])],
    weights: weights ? copied(weights) : [],
    at: null,
    filled: null,
    answers: example.exercise ? {} : null,
    hint: false,
  };
}

// Resize a grid: cut it or pad it with zeros.
function resizedGrid(grid, rows, columns) {
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) => grid[row]?.[column] ?? 0),
  );
}

// Resize the grids to the choices; returns the window, or the refusal.
export function resolvePlay(play, channels = play.inputs.length) {
  const { choices } = play;
  for (const [name, value] of Object.entries(MORE_CHOICES)) choices[name] ??= value;
  const window = resolveChoices(choices);
  const refusal = window.refusal ? window : inputsRefused(choices, channels);
  if (refusal) return refusal;
  const { size, kernel, filters, operation, units } = choices;
  const before = play.inputs.length;
  const kernelAt = (filter, channel) => (channel < before && play.kernels[filter * before + channel]) || [];
  const each = Array.from({ length: channels }, (_, channel) => channel);
  const every = Array.from({ length: filters }, (_, filter) => filter);
  play.kernels = every.flatMap((filter) => each.map((channel) => resizedGrid(kernelAt(filter, channel), ...kernel)));
  play.inputs = each.map((channel) => resizedGrid(play.inputs[channel] ?? [], ...size));
  play.bias = Array.from({ length: operation === "dense" ? units : filters }, (_, i) => play.bias?.[i] ?? 0);
  if (operation === "dense") {
    const inputs = size[0] * size[1] * channels;
    play.weights = Array.from({ length: inputs }, (_, row) =>
      Array.from({ length: units }, (__, unit) => play.weights?.[row]?.[unit] ?? someWeight(row, unit)));
  }
  return window;
}

// A first weight between -2 and 2, other than its neighbours.
const someWeight = (row, unit) => ((row * 3 + unit * 2) % 5) - 2;

// After a change of shape, the position and the answers are no longer valid.
export function forgetPlace(play) {
  play.at = null;
  play.filled = null;
  play.hint = false;
  if (play.answers) play.answers = {};
}

// Replace all numbers by random small integers, for mental arithmetic.
export function drawNumbers(play) {
  const drawn = (grids, from, to) =>
    grids.map((grid) =>
      grid.map((row) => row.map(() => from + Math.floor(Math.random() * (to - from + 1)))),
    );
  play.inputs = drawn(play.inputs, 0, 5);
  play.kernels = drawn(play.kernels, ...(play.choices.operation === "similarity" ? [0, 1] : [-1, 2]));
  if (play.choices.operation === "similarity") play.inputs = drawn(play.inputs, 0, 1);
  play.weights = play.weights && drawn([play.weights], -2, 2)[0];
  if (play.choices.bias) [[play.bias]] = drawn([[play.bias]], -3, 3);
}

// The playground as a layer, to be computed by `runPlay`.
export function layerOf(play, window) {
  const { operation, stride, dilation, filters, bias, relu, units } = play.choices;
  const channels = play.inputs.length;
  const [height, width] = window.inSize;
  const [rows, columns] = window.outSize;
  const count = height * width * channels;
  const layer = { name: "playground", kind: operation, in: [height, width, channels], arrays: {} };
  if (operation === "flatten") return { ...layer, out: [count] };
  if (operation === "dropout") return { ...layer, out: layer.in, ...dropoutParts(play.choices, count) };
  const added = bias ? { bias: { data: Float64Array.from(play.bias), shape: [play.bias.length] } } : {};
  if (operation === "dense") {
    const kernel = { data: Float64Array.from(play.weights.flat()), shape: [count, units] };
    return { ...layer, in: [count], out: [units], relu, arrays: { kernel, ...added } };
  }
  const slides = { ...layer, stride, padding: window.padding, window: window.kernel };
  if (operation.startsWith("global_")) {
    return { ...slides, kind: operation.replace("global_", ""), stride: [1, 1], out: [1, 1, channels] };
  }
  if (operation.endsWith("_pool")) return { ...slides, out: [rows, columns, channels] };
  const many = filters ?? 1;
  const kernel = { data: filtersLast(play.kernels, channels, many), shape: [...window.kernel, channels, many] };
  const out = [rows, columns, many];
  if (operation === "similarity") return { ...slides, out, arrays: { kernel } };
  return { ...slides, out, dilation, groups: 1, relu, arrays: { kernel, ...added } };
}

// Kernels, filter by filter, as one flat array (KH, KW, C, F).
function filtersLast(kernels, channels, filters) {
  const flat = Array.from({ length: filters }, (_, f) => channelsLast(kernels.slice(f * channels, (f + 1) * channels)));
  return Float64Array.from({ length: flat[0].length * filters }, (_, i) => flat[i % filters][Math.floor(i / filters)]);
}

// Grids as one flat array (H, W, C).
export function channelsLast(grids) {
  const numbers = [];
  grids[0].forEach((cells, row) =>
    cells.forEach((_, column) => grids.forEach((grid) => numbers.push(grid[row][column]))),
  );
  return Float64Array.from(numbers);
}

// The output as [rows, columns, channels]; a flattened one is a single row.
export const outShape = (layer) => (layer.out.length === 3 ? layer.out : [1, layer.out[0], 1]);

export function playUnit(layer, { row, column, channel }) {
  const [, columns, channels] = outShape(layer);
  return (row * columns + column) * channels + channel;
}

// The order of the window positions: map by map, row by row.
export function placeAtStep(layer, step) {
  const [rows, columns] = outShape(layer);
  const cell = step % (rows * columns);
  const channel = Math.floor(step / (rows * columns));
  return { row: Math.floor(cell / columns), column: cell % columns, channel };
}

export function stepAtPlace(layer, { row, column, channel }) {
  const [rows, columns] = outShape(layer);
  return (channel * rows + row) * columns + column;
}
