// Map numbers to colours.

import { PALETTE } from "./palette.js";

export function isDark() {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

// The colour of a value on the scale from -range to range, [r, g, b] of 0..255.
export function colourOf(value, range) {
  const colours = isDark() ? PALETTE.dark : PALETTE.light;
  return mix(value < 0 ? colours.below : colours.above, range > 0 ? Math.abs(value) / range : 0);
}

export function cssColour(value, range) {
  return `rgb(${colourOf(value, range).join(" ")})`;
}

// A text colour with a contrast of 4.5:1 or more to that colour.
export function inkOn([red, green, blue]) {
  const linear = [red, green, blue].map((c) => {
    const part = c / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return light > 0.179 ? "#000" : "#fff";
}

// Draw data[offset + step * i], i = row * width + column, one pixel per number.
export function drawMap(canvas, data, offset, step, height, width, range) {
  // Setting the size of a canvas clears it, even if the size does not change.
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  const pixels = new Uint32Array(picture.data.buffer);
  const table = colourTable();
  const scale = range > 0 ? 255 / range : 0;
  const count = Math.min(height * width, Math.ceil((data.length - offset) / step)); // the last row of a strip may be short
  for (let i = 0; i < count; i++) {
    const place = Math.round(data[offset + step * i] * scale) || 0;
    pixels[i] = table[255 + Math.max(-255, Math.min(255, place))];
  }
  context.putImageData(picture, 0, 0);
}

// Largest magnitude among data[offset + step * i], the range of the colour scale.
export function rangeOf(data, offset = 0, step = 1) {
  let largest = 0;
  for (let i = offset; i < data.length; i += step) {
    const size = Math.abs(data[i]);
    if (size > largest) largest = size;
  }
  return largest;
}

const tables = {};

// The colours from -range to range in 511 steps, as the four bytes of a pixel.
function colourTable() {
  const scheme = isDark() ? "dark" : "light";
  const bytes = () => Array.from({ length: 511 }, (_, i) => [...colourOf(i - 255, 255), 255]).flat();
  tables[scheme] ??= new Uint32Array(Uint8Array.from(bytes()).buffer);
  return tables[scheme];
}

function mix(colours, share) {
  const at = Math.max(0, Math.min(1, share)) * (colours.length - 1);
  const first = Math.min(Math.floor(at), colours.length - 2);
  return colours[first].map((c, i) => Math.round(c + (colours[first + 1][i] - c) * (at - first)));
}
