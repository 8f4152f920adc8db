// Units that the tour shows: the strongest of a channel, another one, cells of padding.

import { eachCell } from "./forward.js";
import { placeOf, upTo } from "./shapes.js";

// The units of a channel, in order; of a vector, all of them.
export function unitsOf(shape, channel) {
  const step = shape.length === 3 ? shape[2] : 1;
  const count = shape.length === 3 ? shape[0] * shape[1] : shape[0];
  return upTo(count).map((i) => i * step + (shape.length === 3 ? channel : 0));
}

// The first of these units with the largest number.
export function strongestOf(data, units) {
  return units.reduce((best, unit) => (data[unit] > data[best] ? unit : best), units[0]);
}

export function weakestOf(data, units) {
  return units.reduce((best, unit) => (data[unit] < data[best] ? unit : best), units[0]);
}

// The channel with the largest number.
export function strongestChannel(data, shape) {
  return placeOf(shape, strongestOf(data, upTo(data.length))).channel;
}

// The unit among these for which `test` is true, nearest to the middle of the map; null for none.
export function middlemost(shape, units, test) {
  const away = (unit) => {
    const { row, column } = placeOf(shape, unit);
    return (row - shape[0] / 2) ** 2 + (column - shape[1] / 2) ** 2;
  };
  return units.filter(test).reduce((a, b) => (a === null || away(b) < away(a) ? b : a), null);
}

// The number of cells under the window of a unit that are padding.
export function paddedCells(layer, unit) {
  const { row, column } = placeOf(layer.out, unit);
  let count = 0;
  eachCell(layer, row, column, (i, j, cell) => {
    if (cell < 0) count++;
  });
  return count;
}
