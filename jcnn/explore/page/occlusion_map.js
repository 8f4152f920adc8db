// Numbers as colours over the picture, and the legend for them.

import { colourOf } from "./colour.js";
import { dropAt } from "./occlusion.js";

const SHARE = 0.65; // of the colour of a drop; the rest is the picture in grey

// Draw the computed positions, elsewhere only the picture. Colours go from -range to range.
export function drawDrops(canvas, run, target, range) {
  const { grid, shape, x } = run;
  const colours = run.probabilities.map((_, i) => colourOf(dropAt(run, i, target), range));
  drawOver(canvas, x, shape, (row, column) =>
    colours[Math.floor(row / grid.step) * grid.columns + Math.floor(column / grid.step)]);
}

// Draw colours, where there are any, over the picture in grey.
export function drawOver(canvas, x, [height, width, channels], colourAt) {
  drawPixels(canvas, height, width, (row, column) => {
    const from = (row * width + column) * channels;
    const grey = x.subarray(from, from + channels).reduce((sum, value) => sum + value, 0) / channels;
    return blended(colourAt(row, column), 255 * grey);
  });
}

// All values from lowest (-1 or 0) to 1, times the range, over all greys, black at the top to white at
// the bottom.
export function drawOverLegend(canvas, lowest) {
  drawPixels(canvas, 16, 101, (row, column) =>
    blended(colourOf(lowest + ((1 - lowest) * column) / 100, 1), (255 * row) / 15));
}

function blended(colour, grey) {
  if (colour === undefined) return [grey, grey, grey];
  return colour.map((c) => SHARE * c + (1 - SHARE) * grey);
}

function drawPixels(canvas, height, width, colourAt) {
  Object.assign(canvas, { height, width });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    image.data.set([...colourAt(Math.floor(i / width), i % width), 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}
