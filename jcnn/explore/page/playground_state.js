// The state of the playground: settings, numbers, window position, answers.

import { resolveChoices } from "./playground_window.js";

// choices: {operation, size, kernel, stride, padding, dilation}, perhaps invalid ones;
// inputs, kernels: one grid per channel, sized by the last valid choices;
// at: {row, column, channel} of an output or null; filled: outputs shown while stepping, or null;
// answers: {unit: {text, shown}} of an exercise, or null; hint: whether its products are shown.
export function playOf(example) {
  const { id, operation, input, kernel, stride, padding } = example;
  return {
    example: id,
    choices: {
      operation,
      size: [input.length, input[0].length],
      kernel: [kernel.length, kernel[0].length],
      stride: [stride, stride],
      padding,
      dilation: [1, 1],
    },
    inputs: [resizedGrid(input, input.length, input[0].length)],
    kernels: [resizedGrid(kernel, kernel.length, kernel[0].length)],
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
  const window = resolveChoices(play.choices);
  if (window.refusal) return window;
  const { size, kernel } = play.choices;
  const resized = (grids, [rows, columns]) =>
    Array.from({ length: channels }, (_, c) => resizedGrid(grids[c] ?? [], rows, columns));
  play.inputs = resized(play.inputs, size);
  play.kernels = resized(play.kernels, kernel);
  return window;
}

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
  play.kernels = drawn(play.kernels, -1, 2);
}

// The playground as a layer, to be computed by the forward pass.
export function layerOf(play, window) {
  const { operation, kernel, stride, dilation } = play.choices;
  const channels = play.inputs.length;
  const [height, width] = window.inSize;
  const [rows, columns] = window.outSize;
  const layer = { name: "playground", kind: operation, in: [height, width, channels], arrays: {} };
  if (operation === "flatten") return { ...layer, out: [height * width * channels] };
  const slides = { ...layer, stride, padding: window.padding };
  if (operation !== "conv") return { ...slides, out: [rows, columns, channels], window: kernel };
  const data = channelsLast(play.kernels);
  const arrays = { kernel: { data, shape: [...kernel, channels, 1] } };
  return { ...slides, out: [rows, columns, 1], dilation, groups: 1, arrays };
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
