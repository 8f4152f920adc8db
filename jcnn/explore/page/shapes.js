// Shapes, (height, width, channels) or one axis, and the positions of units in them.

export function sizeOf(shape) {
  return shape.reduce((product, n) => product * n, 1);
}

// Height, width and channels; a vector has the channels of one cell.
export function volumeOf(shape) {
  return shape.length === 3 ? shape : [1, 1, sizeOf(shape)];
}

// The position of a unit: row, column and channel.
export function placeOf(shape, unit) {
  const [, width, channels] = volumeOf(shape);
  const cell = Math.floor(unit / channels);
  return { row: Math.floor(cell / width), column: cell % width, channel: unit % channels };
}

export function unitAt(shape, row, column, channel) {
  return shape.length === 3 ? (row * shape[1] + column) * shape[2] + channel : channel;
}

export function upTo(count) {
  return Array.from({ length: count }, (_, i) => i);
}
